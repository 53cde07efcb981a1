# Runs a container in a mount namespace of its own, in which the node's folders are in the places of
# the host's.
#
# $1: the cgroup in the place of the host's root, $2: the bpffs, $3: the mounted ConfigMap, $4:
# resolv.conf, which the container's own configuration names already; $5: the container's bundle,
# $6: where crun keeps its state, $7: the container's name.
set -e
mount --make-rprivate /
# Only a cgroup that is not the root has a type: the machine's own is never attached to.
test -e "$1/cgroup.type"
mount -t tmpfs none /mnt
mkdir /mnt/cgroup
mount --bind "$1" /mnt/cgroup
umount -R -l /sys/fs/cgroup
mount --bind /mnt/cgroup /sys/fs/cgroup
umount /mnt/cgroup
exec crun --root "$6" --cgroup-manager=disabled run --bundle "$5" "$7"
