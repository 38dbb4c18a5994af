#!/bin/sh
# Runs a command of an image's build; where the build was given the secret `ca_bundle`, the
# command trusts those certificates too. The image itself keeps nothing of them.
set -eu
bundle=/run/secrets/ca_bundle
if [ -s "$bundle" ]; then
    export SSL_CERT_FILE="$bundle" PIP_CERT="$bundle"
fi
exec "$@"
