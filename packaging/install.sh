#!/bin/sh
# Puts distillscope on the PATH and into the menu of this user; the folder has to stay where it is.
#   ./install.sh            links ~/.local/bin/distillscope, adds the menu entry, manual pages and completions
#   ./install.sh --remove   takes them away again
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)
share=${XDG_DATA_HOME:-$HOME/.local/share}
bin=$HOME/.local/bin

cd "$here/share"
files=$(find . -type f)
if [ "${1:-}" = --remove ]; then
  rm -f "$bin/distillscope"
  for file in $files; do rm -f "$share/$file"; done
  exit 0
fi
for file in $files; do
  mkdir -p "$share/$(dirname "$file")"
  cp "$file" "$share/$file"
done
# Menus do not search ~/.local/bin everywhere.
sed "s|^Exec=distillscope|Exec=\"$here/distillscope\"|" applications/distillscope.desktop >"$share/applications/distillscope.desktop"
mkdir -p "$bin"
ln -sf "$here/distillscope" "$bin/distillscope"
case ":$PATH:" in
  *":$bin:"*) echo "distillscope is installed" ;;
  *) echo "distillscope is installed in $bin, which is not on the PATH: add it, or start $here/distillscope" ;;
esac
