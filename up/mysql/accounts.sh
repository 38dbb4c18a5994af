#!/bin/sh
# Makes one MySQL user per service and grants it what the service does, no more. Repeating it
# sets passwords and grants anew. Passwords are alphanumeric, so quoting them is safe.
set -eu

# What only those read who check who comes in: digests of tokens, hashes of passwords.
ACCESS="users api_tokens api_usage sessions sign_in_failures audit"

secret() { cat "/run/secrets/mysql_$1_password"; }

account() {
    echo "CREATE USER IF NOT EXISTS '$1'@'%' IDENTIFIED BY '$(secret "$1")';"
    echo "ALTER USER '$1'@'%' IDENTIFIED BY '$(secret "$1")';"
    echo "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '$1'@'%';"
    # shellcheck disable=SC2086  # a list of words
    allow "$1" SELECT $MARKET
}

sql() { MYSQL_PWD=$(secret root) mysql -h mysql -u root "$@" klinecast; }

# allow USER "PRIVILEGES" TABLE...
allow() {
    user=$1 privileges=$2
    shift 2
    for table in "$@"; do
        echo "GRANT $privileges ON klinecast.$table TO '$user'@'%';"
    done
}

TABLES=$(sql --skip-column-names --execute "SHOW TABLES")
MARKET=
for table in $TABLES; do
    case " $ACCESS " in
        *" $table "*) ;;
        *) MARKET="$MARKET $table" ;;
    esac
done

{
    account populator
    allow populator "INSERT, UPDATE" symbols symbol_states klines outbox jobs
    allow populator "INSERT, UPDATE" request_weight confirmations kline_months
    allow populator "INSERT" kline_revisions
    allow populator "INSERT, UPDATE, DELETE" kline_staging ingest_batches watermarks gaps leases
    account history
    allow history "INSERT, UPDATE" jobs request_weight
    # shellcheck disable=SC2086
    allow history SELECT $ACCESS
    allow history "INSERT, UPDATE" api_tokens api_usage
    allow history "INSERT, UPDATE, DELETE" users sessions sign_in_failures
    # The audit log is only ever added to.
    allow history "INSERT" audit
    account models
    # The ledger of forecasts and the list of champions are only ever added to.
    allow models "INSERT" forecasts champions
    allow models "INSERT, UPDATE" score_cards outbox jobs
    # It checks tokens, and so reads whose they are; passwords are not its business.
    allow models "SELECT (id, name, role, monthly_quota, rate_per_s)" users
    allow models "SELECT" api_tokens
    allow models "SELECT, INSERT, UPDATE" api_usage
    account sink
    allow sink "INSERT, UPDATE, DELETE" outbox dead_letters leases
} | sql

echo "MySQL users populator, history, models and sink are in place."
