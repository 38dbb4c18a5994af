#!/bin/sh
# Makes the bucket of the published models, and proves that nobody reads it without a key.
set -eu

# SHA-256 of nothing: the body of every request here.
nothing=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

signed() {
    printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" |
        curl --silent --output /tmp/answer --write-out '%{http_code}' --config - \
            --aws-sigv4 "aws:amz:$AWS_REGION:s3" --header "x-amz-content-sha256: $nothing" \
            "$@" "$BUCKET_URL"
}

for attempt in $(seq 1 60); do
    status=$(signed --request PUT) || status=000
    case "$status" in
        200 | 409) break ;;
    esac
    echo "attempt $attempt: the object store answers HTTP $status" >&2
    sleep 1
done
case "$status" in
    200) echo "The bucket was made." ;;
    409) echo "The bucket is there already." ;;
    *)
        cat /tmp/answer >&2
        exit 1
        ;;
esac

status=$(curl --silent --output /tmp/answer --write-out '%{http_code}' "$BUCKET_URL")
if [ "$status" != 403 ]; then
    echo "error: the bucket answers HTTP $status without a key; it must answer 403" >&2
    exit 1
fi
