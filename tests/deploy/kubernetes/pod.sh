# Starts the agent with what a pod would give it, in a mount namespace of its own.
#
# $1: the cgroup in the place of the host's root, $2: the bpffs in the place of the host's,
# $3: the mounted ConfigMap, $4: resolv.conf, $5: capabilities as in +bpf,+net_admin; then the
# program and its arguments.
set -e
cgroup=$1 bpffs=$2 policy=$3 resolvers=$4 capabilities=$5
shift 5
mount --make-rprivate /
# Only a cgroup that is not the root has a type: the machine's own is never attached to.
test -e "$cgroup/cgroup.type"
mount -t tmpfs none /mnt
mkdir /mnt/cgroup /mnt/etc /mnt/etc/enforcer
mount --bind "$cgroup" /mnt/cgroup
mount --bind "$policy" /mnt/etc/enforcer
mount -o remount,bind,ro /mnt/etc/enforcer
cp "$resolvers" /mnt/etc/resolv.conf
umount -R -l /sys/fs/cgroup
mount --bind /mnt/cgroup /sys/fs/cgroup
mount -o remount,bind,ro /sys/fs/cgroup
umount /mnt/cgroup
mount --bind "$bpffs" /sys/fs/bpf
mount --rbind /mnt/etc /etc
mount -o remount,bind,ro /
exec setpriv --no-new-privs --bounding-set "-all,$capabilities" --inh-caps -all -- "$@"
