#!/bin/sh
# Makes one MySQL user per service and grants it what the service does, no more. Repeating it
# sets passwords and grants anew. Passwords are alphanumeric, so quoting them is safe.
set -eu

secret() { cat "/run/secrets/mysql_$1_password"; }

account() {
    echo "CREATE USER IF NOT EXISTS '$1'@'%' IDENTIFIED BY '$(secret "$1")';"
    echo "ALTER USER '$1'@'%' IDENTIFIED BY '$(secret "$1")';"
    echo "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '$1'@'%';"
    echo "GRANT SELECT ON klinecast.* TO '$1'@'%';"
}

# allow USER "PRIVILEGES" TABLE...
allow() {
    user=$1 privileges=$2
    shift 2
    for table in "$@"; do
        echo "GRANT $privileges ON klinecast.$table TO '$user'@'%';"
    done
}

{
    account populator
    allow populator "INSERT, UPDATE" symbols symbol_states klines outbox jobs
    allow populator "INSERT, UPDATE" request_weight confirmations kline_months
    allow populator "INSERT" kline_revisions
    allow populator "INSERT, UPDATE, DELETE" kline_staging ingest_batches watermarks gaps leases
    account history
    allow history "INSERT, UPDATE" jobs
    account models
    # The ledger of forecasts and the list of champions are only ever added to.
    allow models "INSERT" forecasts champions
    allow models "INSERT, UPDATE" score_cards outbox jobs
    account sink
    allow sink "INSERT, UPDATE, DELETE" outbox dead_letters leases
} | MYSQL_PWD=$(secret root) mysql -h mysql -u root klinecast

echo "MySQL users populator, history, models and sink are in place."
