#!/bin/sh
# Makes the bucket of the published models, and proves that nobody reads it without a key.
# Repeating it changes nothing. The keys come by ADMIN_ACCESS_KEY_ID and ADMIN_SECRET_ACCESS_KEY.
set -eu

admin() {
    versitygw admin --endpoint-url "$OBJECTS_URL" "$@"
}

# One bucket a line, its owner behind it.
buckets=$(admin list-buckets)
if printf '%s\n' "$buckets" | grep -q "^${BUCKET}[[:space:]]"; then
    echo "The bucket $BUCKET is there already."
else
    admin create-bucket --owner "$ADMIN_ACCESS_KEY_ID" --bucket "$BUCKET"
    echo "The bucket $BUCKET was made."
fi

if ! wget -O /dev/null "$OBJECTS_URL/$BUCKET" 2>&1 | grep -q -w 403; then
    echo "error: the bucket does not answer 403 to a request without a key" >&2
    exit 1
fi
