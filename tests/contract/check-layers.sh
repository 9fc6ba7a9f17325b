#!/usr/bin/env bash
# Every #include in src obeys the floors, and each outside library is known to
# one folder only.
set -euo pipefail
. "$(dirname "$0")/rules.sh"

# Which folders may include a system header; everything else is free.
owners_of() {
    case $1 in
    microhttpd.h) echo http ;;
    wslay/*) echo ws ;;
    yajl/*) echo proto ;;
    systemd/*) echo fanfare ;;
    ini.h) echo conf ;;
    sqlite3.h) echo store ;;
    curl/*) echo hook ;;
    openssl/ssl.h | openssl/bio.h) echo tls ;;
    openssl/*) echo "auth tls" ;;
    xxhash.h | uthash.h) echo base ;;
    fanfare/fanfare.h) echo "lib fanfare fanfarectl" ;;
    criterion/*) echo "(tests)" ;;
    esac
}

is_socket_or_thread() {
    case $1 in
    pthread.h | threads.h | semaphore.h | poll.h | netdb.h | sys/socket.h | sys/un.h | sys/poll.h | \
        sys/epoll.h | sys/eventfd.h | sys/timerfd.h | sys/select.h | netinet/* | arpa/* | net/*)
        return 0
        ;;
    esac
    return 1
}

check_include() {
    local file=$1 line=$2 name=$3 folder=$4 kind=$5 owners to reason
    if [ "$kind" = quote ]; then
        case $name in
        config.h) return ;;
        ../* | */../*) fault "$file:$line: \"$name\": no relative paths" && return ;;
        */*) to=${name%%/*} ;;
        *) fault "$file:$line: \"$name\": write it as \"folder/file.h\"" && return ;;
        esac
        if [ ! -e "$root/src/$name" ]; then
            fault "$file:$line: \"$name\" is not in src"
            return
        fi
        reason=$(why_not "$folder" "$to")
        [ -z "$reason" ] || fault "$file:$line: \"$name\": $reason"
        return
    fi
    if [ "${name#fanfare/}" != "$name" ] && [ "$name" != fanfare/fanfare.h ]; then
        fault "$file:$line: <$name> is not the public header"
    fi
    owners=$(owners_of "$name")
    if [ -n "$owners" ] && [[ " $owners " != *" $folder "* ]]; then
        fault "$file:$line: <$name> belongs to: $owners"
    fi
    if [ "$folder" = core ] && is_socket_or_thread "$name"; then
        fault "$file:$line: <$name>: core knows no socket and no thread"
    fi
}

files=0 includes=0
[ ! -e "$root/src/fanfare/fanfare.h" ] || fault "src/fanfare/fanfare.h would hide the public header"
for dir in "$root"/src/*/; do
    folder=$(basename "$dir")
    if [ -z "${floor[$folder]-}" ]; then
        fault "src/$folder has no floor in tests/contract/rules.sh"
        continue
    fi
done
while IFS= read -r path; do
    file=${path#"$root"/}
    folder=${file#src/}
    folder=${folder%%/*}
    [ -n "${floor[$folder]-}" ] || continue
    files=$((files + 1))
    while IFS=: read -r line text; do
        includes=$((includes + 1))
        if [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\"([^\"]+)\" ]]; then
            check_include "$file" "$line" "${BASH_REMATCH[1]}" "$folder" quote
        elif [[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*\<([^>]+)\> ]]; then
            check_include "$file" "$line" "${BASH_REMATCH[1]}" "$folder" angle
        else
            fault "$file:$line: an #include that this check cannot read"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$path" || true)
done < <(find "$root/src" -type f \( -name '*.c' -o -name '*.h' -o -name '*.def' \) | sort)
finish "$includes includes in $files files obey the floors"
