#!/bin/sh
# Sends a command to Pawl by Kafka, with kcat: TYPE ID ACCOUNT PAYMENT [BODY], or for a new payment create ID ACCOUNT "" BODY.
# The id is the idempotency key: sent again, it does nothing. The key keeps the commands of one payment in their order.
set -eu
payment=${4:+"\"payment_id\": \"$4\", "}
printf '{"schema_version": 1, "id": "%s", "account_id": "%s", "type": "%s", %s"body": %s}\n' "$2" "$3" "$1" "$payment" "${5:-{\}}" |
    kcat -P -b "$KAFKA_BROKERS" -t "${KAFKA_COMMANDS_TOPIC:-pawl.commands.v1}" -k "${4:-$2}" -X acks=all
