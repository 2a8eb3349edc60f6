#!/bin/bash
# The part of the official image's entry point that infra/compose.yml uses: each KAFKA_NAME_OF_A_SETTING becomes a line
# name.of.a.setting of the broker's properties, and a new data directory is formatted.
set -eu
properties=/tmp/server.properties
env | sed -n 's/^KAFKA_\([A-Z_]*\)=\(.*\)/\1 \2/p' | grep -v '^HEAP_OPTS ' | while read -r name value; do
    printf '%s=%s\n' "$(echo "$name" | tr 'A-Z_' 'a-z.')" "$value"
done >$properties
run() { command java ${KAFKA_HEAP_OPTS:--Xmx512m} -cp "/opt/kafka/libs/*" "$@"; }
data=$(sed -n 's/^log\.dirs=//p' $properties)
[ -e "$data/meta.properties" ] || run kafka.tools.StorageTool format --config $properties --cluster-id "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -cp "/opt/kafka/libs/*" kafka.Kafka $properties
