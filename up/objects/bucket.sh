#!/bin/sh
# Makes the bucket of the published models, and proves that nobody reads it without a key.
# Repeating it changes nothing. The keys come by ADMIN_ACCESS_KEY_ID and ADMIN_SECRET_ACCESS_KEY.
set -eu

listed() {
    versitygw admin --endpoint-url "$OBJECTS_URL" list-buckets
}

attempt=1
until buckets=$(listed); do
    if [ "$attempt" -ge 60 ]; then
        echo "error: the object store at $OBJECTS_URL does not answer" >&2
        exit 1
    fi
    attempt=$((attempt + 1))
    sleep 1
done

if printf '%s\n' "$buckets" | grep -q -w "$BUCKET"; then
    echo "The bucket $BUCKET is there already."
else
    versitygw admin --endpoint-url "$OBJECTS_URL" create-bucket \
        --owner "$ADMIN_ACCESS_KEY_ID" --bucket "$BUCKET"
    echo "The bucket $BUCKET was made."
fi

if ! wget -O /dev/null "$OBJECTS_URL/$BUCKET" 2>&1 | grep -q -w 403; then
    echo "error: the bucket does not answer 403 to a request without a key" >&2
    exit 1
fi
