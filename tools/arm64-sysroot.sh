#!/usr/bin/env bash
# Fetch the arm64 libraries that tempo is linked with and unpack them into a folder, for a cross build that is
# run under qemu-aarch64.  Debian's own packages through apt, with a package list of its own: neither the
# system's architectures nor its installed packages change.  Usage: tools/arm64-sysroot.sh DIR
# Exit 77 with a message where that cannot be had.
set -euo pipefail
dir=${1:?usage: tools/arm64-sysroot.sh DIR}
packages=(libjansson4 libjansson-dev libutf8proc2 libutf8proc-dev zlib1g zlib1g-dev libssl3 libssl-dev
    libyaml-0-2 libyaml-dev libsqlite3-0 libsqlite3-dev libgsl27 libgslcblas0 libgsl-dev libcmocka0 libcmocka-dev)

skip() { printf 'skipped: %s\n' "$*"; exit 77; }

[ -e "$dir/complete" ] && exit 0
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || skip "no $tool here to fetch arm64 packages with"
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
apt=$dir/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
    -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache")

apt-get "${options[@]}" update </dev/null || skip 'no package list for arm64 from the configured sources'
(cd "$apt/debs" && apt-get "${options[@]}" download "${packages[@]}" </dev/null) ||
    skip 'the arm64 packages could not be fetched'
for deb in "$apt/debs"/*.deb; do dpkg-deb -x "$deb" "$dir"; done
# Absolute links mean files of the unpacked system, not of this one.
find "$dir" -type l -lname '/*' | while read -r link; do ln -sfn "$dir$(readlink "$link")" "$link"; done
rm -rf "$apt"
touch "$dir/complete"
