#!/usr/bin/env bash
# Renders the Helm chart in several settings and checks each rendered object against Kubernetes' schemas, without a cluster.
#
# Builds Helm into .pawl/tools and installs the validator (kubernetes-validate, of PyPI) into .pawl/helm; that takes some
# minutes once. Without Go or Python it says so and checks nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=3.18.6
helm=${HELM:-$PWD/.pawl/tools/bin/helm-$version}
validator=$PWD/.pawl/helm/bin/kubernetes-validate
chart=infra/helm/pawl

for need in go python3; do
    if ! command -v "$need" >/dev/null; then
        echo "helm: skipped, because $need is missing" >&2
        exit 0
    fi
done
if ! [ -x "$helm" ]; then
    mkdir -p .pawl/tools/bin
    GOBIN=$PWD/.pawl/tools/bin go install "helm.sh/helm/v3/cmd/helm@v$version"
    mv .pawl/tools/bin/helm "$helm"
fi
if ! [ -x "$validator" ]; then
    python3 -m venv .pawl/helm
    .pawl/helm/bin/pip install --quiet kubernetes-validate==1.37.0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# render NAME ARGUMENTS…: renders the chart, and refuses an object that the schemas of Kubernetes 1.33 do not know.
render() {
    "$helm" template shop "$chart" --kube-version 1.33.0 "${@:2}" >"$work/$1.yaml"
    "$validator" --strict --quiet -k 1.33 "$work/$1.yaml"
    echo "helm: $1: $(grep -c '^kind:' "$work/$1.yaml") objects are valid"
}

# refused NAME ARGUMENTS…: the schema of the values must refuse them.
refused() {
    if "$helm" template shop "$chart" "${@:2}" >/dev/null 2>&1; then
        echo "helm: values.schema.json accepts $1" >&2
        exit 1
    fi
}

"$helm" lint --strict "$chart"
render defaults
render scaled --set gateway.autoscaling.enabled=true,worker-service.autoscaling.enabled=true,worker-service.autoscaling.jobsPerWorker=200
render open --set networkPolicy.enabled=false --set secrets.consoleApiKey.name=
render peers --set-json 'networkPolicy.gatewayFrom=[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"ingress"}}}]' \
    --set-json 'worker-service.env={"KAFKA_SECURITY_PROTOCOL":"SASL_SSL","KAFKA_SASL_USERNAME":"pawl"}' --set secrets.kafkaSaslPassword.name=kafka
refused 'a secret among the variables' --set worker-service.env.STRIPE_API_KEY=sk_test_1
refused 'a value that it does not know' --set gateway.replica=3
refused 'a number as a variable' --set gateway.env.RATE_LIMIT_USER_PER_MINUTE=10
