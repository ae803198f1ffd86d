#!/bin/sh
# Install the Debian packages that a purpose needs, where this user may; otherwise say which are missing.
#
#   contrib/setup-debian.sh venv|test|bench
#
# Never fails for want of a package: tests that need one skip and say so, unless ARCHIVER_REQUIRE names it.
# ARCHIVER_NO_APT=1 leaves the system alone.
set -eu

case ${1-} in
venv) wanted="python3-venv" ;;
test)
    wanted="dovecot-imapd dovecot-pop3d age zstd signify-openbsd git mutt gcc libc6-dev"
    wanted="$wanted cron systemd util-linux groff-base zsh fish" # schedules, man pages, completion
    wanted="$wanted krb5-kdc krb5-admin-server krb5-user python3-gssapi" # signing in by Kerberos
    ;;
bench) wanted="dovecot-imapd dovecot-pop3d age zstd git isync getmail6 restic borgbackup" ;;
*)
    echo "usage: setup-debian.sh venv|test|bench" >&2
    exit 2
    ;;
esac

say() { printf '%s\n' "$*" >&2; }

# A package counts as there when Debian says so, or when its program is found (built by hand, or not on Debian).
there() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ] && return 0
    case $1 in
    python3-venv) return 1 ;;
    libc6-dev) [ -e /usr/include/stdio.h ] && return 0 || return 1 ;;
    dovecot-imapd) program=imap ;;
    dovecot-pop3d) program=pop3 ;;
    signify-openbsd) command -v signify-openbsd >/dev/null 2>&1 && return 0; program=signify ;;
    isync) program=mbsync ;;
    getmail6) program=getmail ;;
    borgbackup) program=borg ;;
    systemd) program=systemd-analyze ;;
    util-linux) program=setpriv ;;
    groff-base) program=groff ;;
    krb5-kdc) program=krb5kdc ;;
    krb5-admin-server) program=kadmin.local ;;
    krb5-user) program=kinit ;;
    python3-gssapi) [ -d /usr/lib/python3/dist-packages/gssapi ] && return 0 || return 1 ;;
    *) program=$1 ;;
    esac
    PATH="$PATH:/usr/sbin:/usr/lib/dovecot:/usr/libexec/dovecot" command -v "$program" >/dev/null 2>&1
}

list_missing() {
    missing=
    for package in $wanted; do
        there "$package" || missing="$missing $package"
    done
}

list_missing
[ -n "$missing" ] || exit 0

as_root=
if [ -n "${ARCHIVER_NO_APT-}" ] || ! command -v apt-get >/dev/null 2>&1; then
    may=no
elif [ "$(id -u)" -eq 0 ]; then
    may=yes
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    may=yes
    as_root="sudo -n"
else
    may=no
fi

# The tests run a Dovecot, a cron and a KDC of their own, from temporary folders. The packages would also start those of
# the whole machine, and Dovecot and the KDC again at every boot: neither is wanted here.
policy=/usr/sbin/policy-rc.d
made_policy=
forget_policy() { [ -z "$made_policy" ] || $as_root rm -f "$policy"; }

if [ "$may" = yes ]; then
    say "installing Debian packages:$missing"
    trap forget_policy EXIT
    trap 'exit 130' INT TERM
    if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null; then
        made_policy=yes
        $as_root chmod 755 "$policy"
    fi
    options="-qq -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120"
    # shellcheck disable=SC2086  # words on purpose
    $as_root apt-get $options update || say "apt-get update failed; trying with the lists that are there"
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get $options install -y --no-install-recommends $missing \
        >/dev/null || say "apt-get install failed"
    case $missing in
    *dovecot*)
        if [ -d /run/systemd/system ]; then
            $as_root systemctl --quiet disable dovecot.service dovecot.socket 2>/dev/null || true
        fi
        ;;
    esac
    case $missing in
    *krb5-*)
        if [ -d /run/systemd/system ]; then
            $as_root systemctl --quiet disable krb5-kdc.service krb5-admin-server.service 2>/dev/null || true
        fi
        ;;
    esac
    list_missing
fi

if [ -n "$missing" ]; then
    say "missing:$missing"
    say "hint: sudo apt-get install$missing"
fi
