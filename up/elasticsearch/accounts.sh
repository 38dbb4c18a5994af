#!/bin/sh
# Sets the password of Kibana's own user and makes the sink's user with the rights it needs.
# Repeating it sets them anew. Passwords are alphanumeric, so they need no escaping in JSON.
set -eu

# call METHOD PATH [BODY]: prints the HTTP status. The password goes through standard input,
# so that no process list shows it.
call() {
    printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD" |
        curl --silent --output /tmp/answer --write-out '%{http_code}' --config - \
            --request "$1" --header 'Content-Type: application/json' \
            ${3:+--data "$3"} "$ELASTICSEARCH$2"
}

expect_200() {
    status=$(call "$@")
    if [ "$status" != 200 ]; then
        echo "error: $1 $2 was answered with HTTP $status" >&2
        cat /tmp/answer >&2
        exit 1
    fi
}

# A node that runs without security does not know the page, and has no users to make.
case "$(call GET /_security/_authenticate)" in
    400 | 404 | 405)
        echo "This Elasticsearch runs without security: no users are needed."
        exit 0
        ;;
esac

expect_200 POST /_security/user/kibana_system/_password "{\"password\":\"$KIBANA_SYSTEM_PASSWORD\"}"
expect_200 PUT /_security/role/klinecast_sink '{
  "cluster": ["monitor", "manage_index_templates"],
  "indices": [{
    "names": ["klinecast-*"],
    "privileges": ["create_index", "manage", "read", "write", "view_index_metadata"]
  }]
}'
expect_200 PUT /_security/user/klinecast_sink \
    "{\"password\":\"$SINK_USER_PASSWORD\",\"roles\":[\"klinecast_sink\"]}"
echo "Kibana's password and the sink's user are in place."
