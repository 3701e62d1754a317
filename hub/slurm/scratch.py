"""Shell lines for a job's own folder on its node, which no other account enters and no later job keeps.

A job holds a lock on its folder until its last process has ended. One that is killed cannot remove its folder; the next
job of the account on the node does, if the lock is free.
"""

from __future__ import annotations

_LINES = """\
for folder in {parent}/{name}-????????; do
  if [ -d "$folder" ] && [ ! -L "$folder" ] && [ -O "$folder" ]; then
    ( flock --nonblock 9 && find "$folder" -maxdepth 0 ! -newermt '-60 seconds' -exec rm -rf -- {{}} + ) 9<"$folder"
  fi
done 2>/dev/null
unset -v folder
{variable}=$(mktemp --directory --tmpdir={parent} {name}-XXXXXXXX) || exit 73
export {variable}
exec 9<"${variable}" && flock --timeout 30 9  # another job that looks at the folder holds it for a moment
trap 'rm -rf -- "${variable}"' EXIT"""


def lines(variable: str, *, parent: str, name: str) -> str:
    """Lines that set ``variable`` to a new folder, and remove those of jobs that were killed. Exit code 73: no room.

    A folder is locked right after it is made; until then its age keeps another job of the account from removing it.

    :param parent: folder of temporary files, as a word of the shell.
    :param name: beginning of the folder's name, as a word of the shell. It needs the node's name if nodes may share
        ``parent``, because a lock counts on one node only.
    """
    return _LINES.format(variable=variable, parent=parent, name=name)
