//! Where the fields of keys and values are, so that an agent of another version can read them.

use crate::{
    address::Address,
    counter::Hits,
    dns::name::NameKey,
    flow::{FlowEntry, FlowKey, PeerEntry, PeerKey},
    learned::{AddressEntry, AddressKey},
};

/// A field of a key or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name; another name where the meaning is another.
    pub name: &'static str,
    /// Bytes in front of it.
    pub offset: usize,
    /// Its size in bytes.
    pub bytes: usize,
}

/// A key or a value that other versions may want to read.
pub trait Layout {
    /// Its fields, all of them.
    const FIELDS: &'static [Field];
}

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! layout {
    ($type:ident { $($field:ident),* }) => {
        impl Layout for $type {
            const FIELDS: &'static [Field] = &[$(Field {
                name: stringify!($field),
                offset: core::mem::offset_of!($type, $field),
                bytes: size_of_field(|it: &$type| &it.$field),
            }),*];
        }
        // A field that is not listed does not compile.
        const _: fn($type) = |it| {
            let $type { $($field: _),* } = it;
        };
    };
}

macro_rules! plain {
    ($type:ty) => {
        impl Layout for $type {
            const FIELDS: &'static [Field] =
                &[Field { name: "whole", offset: 0, bytes: size_of::<$type>() }];
        }
    };
}

#[cfg(not(feature = "other-layout"))]
layout!(Hits { packets, bytes, last_ns });
#[cfg(feature = "other-layout")]
layout!(Hits { spare, packets, bytes, last_ns });
layout!(AddressKey { namespace, address });
layout!(AddressEntry { rules, expires_ns, used_ns, name, packets, lock, charged });
layout!(FlowKey { own, peer, own_port_be, peer_port_be, protocol });
layout!(FlowEntry { expires_ns, generation, opened, by });
layout!(PeerKey { namespace, address, port_be, own_port_be, padding });
layout!(PeerEntry { expires_ns, opened, padding });
plain!(NameKey);
plain!(Address);
plain!(u64);
plain!(u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_fill_what_they_are_of() {
        fn check<T: Layout>() {
            let mut fields = T::FIELDS.to_vec();
            fields.sort_by_key(|field| field.offset);
            let end = fields.iter().fold(0, |end, field| {
                assert_eq!(field.offset, end, "{}", field.name);
                end + field.bytes
            });
            assert_eq!(end, size_of::<T>());
        }
        check::<Hits>();
        check::<AddressKey>();
        check::<AddressEntry>();
        check::<FlowKey>();
        check::<FlowEntry>();
        check::<PeerKey>();
        check::<PeerEntry>();
        check::<NameKey>();
    }
}
