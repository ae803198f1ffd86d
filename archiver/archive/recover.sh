#!/bin/sh
# Recovers an archive without archiver. Needs: age, zstd, signify (Debian: signify-openbsd), sha256sum,
# and the usual grep, sed, head, tail, sort.
#
#   sh recover.sh ARCHIVE IDENTITY OUTPUT
#
# IDENTITY is a file with the recovery line (AGE-SECRET-KEY-1...), or keys/owner.age of the archive: age
# then asks for the passphrase. OUTPUT is a new folder. In it you find:
#   messages/SHA256.eml   every message, byte for byte as the server sent it
#   messages.tsv          digest, folder, UIDVALIDITY:UID, date of receipt and flags of each
#   mail.mbox             (layout mbox) all volumes as one mboxrd file
#   maildir/FOLDER/cur/   (layout maildir) the decrypted Maildir
#   index/                what each run recorded, as JSON lines
set -eu
LC_ALL=C
export LC_ALL
umask 077

die() { echo "recover: $*" >&2; exit 1; }
[ $# -eq 3 ] || die "usage: sh recover.sh ARCHIVE IDENTITY OUTPUT"
archive=$1 identity=$2 out=$3
[ -f "${archive}/root/0001.root" ] || die "no archive in '$archive'"
[ ! -e "$out" ] || die "'$out' is there already"
signify=$(command -v signify-openbsd || command -v signify) || die "signify is not installed"
for program in age zstd sha256sum; do command -v $program >/dev/null || die "$program is not installed"; done
mkdir -p "$out/messages" "$out/index"
work=$out/.work
mkdir "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # some shells leave the trap above out, and the identity lies in there

verify() { # verify FILE KEY: checks the signature, puts the signed text into $work/text
    printf 'untrusted comment: key\n%s\n' "$2" >"$work/key.pub"
    "$signify" -V -e -q -p "$work/key.pub" -x "$1" -m "$work/text" 2>/dev/null
}
field() { sed -n "s/^$1 //p" "$work/text" | head -n 1; }
hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# 1. Roots: each is signed by the owner that the one before names.
number=1
owner=$(sed -n 's/^owner //p' "${archive}/root/0001.root" | head -n 1)
echo "owner key: $owner (compare it with your recovery note)"
while root=${archive}/root/$(printf %04d $number).root && [ -f "$root" ]; do
    verify "$root" "$owner" || die "root $number is not signed by the owner"
    owner=$(field owner)
    sed -n 's/^writer [^ ]* \([^ ]*\) .*/\1/p' "$work/text" >"$work/writers.$number"
    hash_of "$root" >"$work/root.$number"
    number=$((number + 1))
done

# 2. Chains: manifests 1, 2, 3 ... each signed by a writer of its root and naming the one before.
: >"$work/indexes"
: >"$work/volumes"
for chain in "$archive"/chains/*/; do
    [ -d "$chain" ] || continue
    prev=0000000000000000000000000000000000000000000000000000000000000000
    seq=1
    while manifest=$chain/manifests/$(printf %08d $seq).manifest && [ -f "$manifest" ]; do
        named=$(sed -n 's/^root //p' "$manifest" | head -n 1)
        root=${named%% *}
        [ -f "$work/root.$root" ] && [ "${named#* }" = "$(cat "$work/root.$root")" ] ||
            die "$manifest names an unknown root"
        signed=
        while read -r key; do
            if verify "$manifest" "$key"; then signed=yes; break; fi
        done <"$work/writers.$root"
        [ "$signed" ] || die "$manifest is not signed by a writer of root $root"
        [ "$(field prev)" = "$prev" ] && [ "$(field seq)" = "$seq" ] || die "$manifest is out of order"
        sed -n 's/^object index [0-9]* //p' "$work/text" >>"$work/indexes"
        sed -n 's/^object volume [0-9]* //p' "$work/text" >>"$work/volumes"
        sed -n 's/^drop \([0-9a-f]*\) \([^ ]*\) .*/\1 \2/p' "$work/text" >>"$work/drops"
        prev=$(hash_of "$manifest")
        seq=$((seq + 1))
    done
    count=$(find "$chain/manifests" -name '*.manifest' | wc -l)
    [ "$count" -eq $((seq - 1)) ] || die "manifest $seq is missing in $chain"
    echo "chain $(basename "$chain"): $((seq - 1)) runs, head $prev"
done
for list in indexes volumes; do # what compact and erase runs dropped is not looked for
    [ ! -s "$work/drops" ] || { grep -vxF -f "$work/drops" "$work/$list" || :; } >"$work/kept"
    [ ! -s "$work/drops" ] || mv "$work/kept" "$work/$list"
done

# 3. Objects: every byte is what a signed manifest names.
cat "$work/indexes" "$work/volumes" | sed 's/^\([0-9a-f]*\) /\1  /' >"$work/sums"
[ ! -s "$work/sums" ] || (cd "$archive" && sha256sum --quiet -c) <"$work/sums" || die "objects are damaged"

# 4. Decrypt and decompress.
case $identity in
*.age) age -d "$identity" >"$work/identity" ;;
*) cp "$identity" "$work/identity" ;;
esac
unseal() {
    age -d -i "$work/identity" "$archive/$1" >"$work/sealed" || die "$1 does not open"
    zstd -d -q -c "$work/sealed" || die "$1 does not decompress"
}
while read -r _ key; do
    name=$(basename "$key" .zst.age)
    unseal "$key" >"$out/index/$name.jsonl"
done <"$work/indexes"

keep() { # keep LABEL: adds a line to the list of messages
    digest=${1##* sha256=}
    folder=${1#*folder=} received=${1#* received=} flags=${1#* flags=} key=${1#* key=}
    printf '%s\t%s\t%s\t%s\t%s\n' "$digest" "${folder%% *}" "${key%% *}" "${received%% *}" "${flags%% *}" \
        >>"$out/messages.tsv"
    echo "$digest  $digest.eml" >>"$work/messages"
}
: >"$work/messages"
while read -r _ key; do
    case $key in
    */volumes/*) unseal "$key" >>"$out/mail.mbox" ;;
    */maildir/*)
        path=$out/${key#*/*/}
        mkdir -p "$(dirname "$path")/../new" "$(dirname "$path")/../tmp" "$(dirname "$path")"
        path=${path%.zst.age}
        unseal "$key" >"$path"
        IFS= read -r label <"$path"
        keep "$label"
        tail -c "+$((${#label} + 2))" "$path" >"$out/messages/$digest.eml"
        ;;
    *) die "an object of an unknown kind: $key" ;;
    esac
done <"$work/volumes"

# 5. Cut the mbox: no line of a message begins with "From ", for those are quoted with ">".
if [ -f "$out/mail.mbox" ]; then
    mbox=$out/mail.mbox
    grep -abo '^From ' "$mbox" | cut -d : -f 1 >"$work/starts"
    { sed 1d "$work/starts"; wc -c <"$mbox"; } >"$work/ends"
    exec 3<"$work/starts" 4<"$work/ends"
    while read -r start <&3 && read -r end <&4; do
        tail -c "+$((start + 1))" "$mbox" | head -c "$((end - start))" >"$work/one" || :
        { IFS= read -r from; IFS= read -r label; } <"$work/one"
        keep "$label"
        size=${label##* size=}
        tail -c "+$((${#from} + ${#label} + 3))" "$work/one" | sed 's/^>\(>*From \)/\1/' |
            head -c "${size%% *}" >"$out/messages/$digest.eml"
    done
fi
[ ! -s "$work/messages" ] || (cd "$out/messages" && sha256sum --quiet -c) <"$work/messages" ||
    die "some messages do not have their digest"
echo "recovered $(wc -l <"$work/messages") messages, every digest right, into $out"
