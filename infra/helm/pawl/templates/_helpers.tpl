{{- define "pawl.labels" -}}
app.kubernetes.io/name: pawl
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "pawl.image" -}}
{{ .root.Values.image.repository }}/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* No service needs the API of Kubernetes, rights, or a file system that can be written. */}}
{{- define "pawl.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "pawl.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The secrets of a service: the variable that names the file, and the entry of values.yaml. */}}
{{- define "pawl.secretsOf" -}}
DATABASE_URL: databaseUrl
{{- if ne .name "migrate" }}
REDIS_URL: redisUrl
{{- end }}
{{- if eq .name "gateway" }}
STRIPE_WEBHOOK_SECRET: stripeWebhookSecret
{{- else if eq .name "auth-service" }}
AUTH_API_KEYS: authApiKeys
JWT_PRIVATE_KEY: jwtPrivateKey
{{- else if eq .name "core-service" }}
CONSOLE_API_KEY: consoleApiKey
{{- else if eq .name "worker-service" }}
STRIPE_API_KEY: stripeApiKey
KAFKA_SASL_PASSWORD: kafkaSaslPassword
{{- end }}
{{- end }}

{{- define "pawl.secretVariables" -}}
{{- $root := .root }}
{{- range $variable, $entry := include "pawl.secretsOf" . | fromYaml }}
{{- if (index $root.Values.secrets $entry).name }}
- name: {{ $variable }}_FILE
  value: /run/pawl/{{ $entry }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pawl.secretVolume" -}}
{{- $root := .root }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $variable, $entry := include "pawl.secretsOf" . | fromYaml }}
      {{- with index $root.Values.secrets $entry }}
      {{- if .name }}
      - secret:
          name: {{ .name }}
          items:
            - {key: {{ .key | quote }}, path: {{ $entry }}}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end }}
