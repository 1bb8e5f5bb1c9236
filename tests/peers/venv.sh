# For tests/peers/get: installs a Python program into a virtual environment in the peers' cache, once, and prints its path.
# Sourced, with the peer's name, its package, the version and the program.
peer=$1 package=$2 version=$3 program=$4
cache=${BOWLINE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/bowline-peers}
folder=$cache/$peer-$version
if [ ! -e "$folder/ready" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/$peer.lock"
  flock 9
  if [ ! -e "$folder/ready" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    timeout 300 "$folder/bin/pip" install --quiet --disable-pip-version-check "$package==$version" >&2
    touch "$folder/ready"
  fi
fi
echo "$folder/bin/$program"
