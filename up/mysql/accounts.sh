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

write="INSERT, UPDATE, DELETE"
{
    account populator
    echo "GRANT CREATE TEMPORARY TABLES ON klinecast.* TO 'populator'@'%';"
    allow populator "$write" symbols ingest_batches klines kline_revisions gaps watermarks \
        request_weight jobs outbox
    account history
    allow history "INSERT, UPDATE" jobs
    account models
    allow models "INSERT" forecasts
    allow models "$write" forecast_scores champions jobs outbox
    account sink
    allow sink "$write" outbox
} | MYSQL_PWD=$(secret root) mysql -h mysql -u root klinecast

echo "MySQL users populator, history, models and sink are in place."
