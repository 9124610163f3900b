#!/bin/sh
# Installs operon from a folder or an address that holds a release: checks the sum first, then moves the program into place.
#   sh install.sh --from dist/release
#   sh install.sh --from https://downloads.example/operon/0.1.0 --to ~/bin
set -eu

from=""
to=""
fail() { echo "install.sh: $1" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case "$1" in
    --from) [ $# -ge 2 ] || fail "--from needs a folder or an address"; from=$2; shift 2 ;;
    --to) [ $# -ge 2 ] || fail "--to needs a folder"; to=$2; shift 2 ;;
    -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown option $1; see --help" ;;
  esac
done
[ -n "$from" ] || fail "say where the release is: --from FOLDER or --from https://..."
if [ -z "$to" ]; then
  if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to="$HOME/.local/bin"; fi
fi

case "$(uname -s)" in
  Linux) system=linux ;;
  Darwin) system=darwin ;;
  *) fail "there is no release for $(uname -s); on Windows unpack operon-*-windows-x64.tar.gz" ;;
esac
case "$(uname -m)" in
  x86_64 | amd64) machine=x64 ;;
  aarch64 | arm64) machine=arm64 ;;
  *) fail "there is no release for $(uname -m)" ;;
esac
variant=""
# A machine of the GNU C library may have musl's loader, too.
if [ "$system" = linux ] && ! getconf GNU_LIBC_VERSION >/dev/null 2>&1 && ls /lib/ld-musl-* >/dev/null 2>&1; then variant=-musl; fi
target="$system-$machine$variant"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

fetch() {
  case "$from" in
    https://* | http://*)
      if command -v curl >/dev/null 2>&1; then curl -fsSL --proto '=http,https' -o "$folder/$1" "$from/$1"
      elif command -v wget >/dev/null 2>&1; then wget -q -O "$folder/$1" "$from/$1"
      else fail "curl or wget is needed to download"; fi ;;
    *) cp "$from/$1" "$folder/$1" ;;
  esac || fail "$from has no $1"
}

fetch SHA256SUMS
# One line: the sum, two spaces, the name. The name decides the version.
line=$(grep -E "^[0-9a-f]{64}  operon-[0-9A-Za-z.+-]+-$target\.tar\.gz\$" "$folder/SHA256SUMS" | head -n 1) ||
  fail "the release has nothing for $target"
[ -n "$line" ] || fail "the release has nothing for $target"
sum=${line%%  *}
archive=${line#*  }
fetch "$archive"

if command -v sha256sum >/dev/null 2>&1; then found=$(sha256sum "$folder/$archive")
elif command -v shasum >/dev/null 2>&1; then found=$(shasum -a 256 "$folder/$archive")
else fail "sha256sum or shasum is needed to check the download"; fi
[ "${found%% *}" = "$sum" ] || fail "$archive is not what SHA256SUMS says: it was changed or cut; nothing was installed"

tar -xzf "$folder/$archive" -C "$folder"
name=${archive%.tar.gz}
[ -f "$folder/$name/operon" ] || fail "$archive holds no operon"
mkdir -p "$to"
# Beside its place first: a running one is not in the way, and an interrupted installation leaves the old one whole.
cp "$folder/$name/operon" "$to/.operon-new-$$"
chmod 755 "$to/.operon-new-$$"
mv -f "$to/.operon-new-$$" "$to/operon"
ln -sf operon "$to/operond"
echo "Installed $("$to/operon" --version) in $to"
case ":$PATH:" in
  *":$to:"*) ;;
  *) echo "Add it to your PATH: export PATH=\"$to:\$PATH\"" ;;
esac
echo "Completion for your shell: operon completion --help"
echo "Next: operon onboard"
