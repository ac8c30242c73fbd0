//! Known answers of RFC 9162's hashing, and that exactly the proofs that are made hold.

use super::*;
use proptest::prelude::*;

/// The leaves that Certificate Transparency's own tests hash.
const KNOWN_LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The roots of the trees of the first 0, 1, 2 … of them.
const KNOWN_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// A tree that keeps nothing but its leaves.
struct Plain(Vec<Hash>);

impl Plain {
    /// Of so many leaves; `other` tells trees apart.
    fn of(size: u64, other: u8) -> Self {
        Plain((0..size).map(|leaf| Hash::of_leaf(&[&leaf.to_be_bytes()[..], &[other]].concat())).collect())
    }

    fn root(&self, size: u64) -> Hash {
        let Ok(root) = root(self, 0..size);
        root
    }
}

impl Subtrees for Plain {
    type Error = std::convert::Infallible;

    fn kept(&self, leaves: Range<u64>) -> Result<Option<Hash>, Self::Error> {
        Ok((leaves.end - leaves.start == 1).then(|| self.0[leaves.start as usize]))
    }
}

fn hex(hash: Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn roots_are_those_that_certificate_transparency_publishes() {
    let tree = Plain(KNOWN_LEAVES.iter().map(|bytes| Hash::of_leaf(bytes)).collect());
    let mut frontier = Frontier::default();
    for (size, known) in KNOWN_ROOTS.iter().enumerate() {
        assert_eq!(hex(tree.root(size as u64)), *known);
        assert_eq!(hex(frontier.root()), *known);
        if let Some(leaf) = tree.0.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn proofs_are_those_that_certificate_transparency_publishes() {
    let tree = Plain(KNOWN_LEAVES.iter().map(|bytes| Hash::of_leaf(bytes)).collect());
    let Ok(path) = inclusion(&tree, 5, 8);
    let known = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path.into_iter().map(hex).collect::<Vec<_>>(), known);
    let Ok(path) = consistency(&tree, 6, 8);
    let known = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path.into_iter().map(hex).collect::<Vec<_>>(), known);
}

#[test]
fn a_tree_that_grew_in_pieces_has_the_root_of_one_that_grew_leaf_by_leaf() {
    let tree = Plain::of(70, 0);
    for size in 0..70 {
        let mut pieces = Frontier::default();
        for piece in tree.0[..size as usize].chunks(8) {
            let mut below = Frontier::default();
            piece.iter().for_each(|leaf| below.push(*leaf));
            pieces.append(&below);
        }
        assert_eq!((pieces.size(), pieces.root()), (size, tree.root(size)));
    }
}

/// Every way to be wrong about a path by one hash: altered, left out, or put in.
fn wrong_paths(path: &[Hash]) -> Vec<Vec<Hash>> {
    let at = |place: usize| {
        let (mut altered, mut without, mut with) = (path.to_vec(), path.to_vec(), path.to_vec());
        altered[place].0[place % 32] ^= 1;
        without.remove(place);
        with.insert(place, path[place]);
        [altered, without, with]
    };
    let longer = [path, &[Hash::of_nothing()]].concat();
    (0..path.len()).flat_map(at).chain([longer]).collect()
}

proptest! {
    #[test]
    fn a_leafs_path_leads_to_the_root_from_nowhere_else_and_nothing_else_does(
        (size, leaf) in (1u64..300).prop_flat_map(|size| (Just(size), 0..size)),
        elsewhere in 0u64..300, otherwise in 1u64..300,
    ) {
        let tree = Plain::of(size, 0);
        let (hash, root) = (tree.0[leaf as usize], tree.root(size));
        let Ok(path) = inclusion(&tree, leaf, size);
        prop_assert_eq!(root_of_path(hash, leaf, size, &path), Some(root));
        prop_assert_ne!(root_of_path(Hash::of_leaf(b"another"), leaf, size, &path), Some(root));
        if elsewhere != leaf {
            prop_assert_ne!(root_of_path(hash, elsewhere, size, &path), Some(root));
        }
        for wrong in wrong_paths(&path) {
            prop_assert_ne!(root_of_path(hash, leaf, size, &wrong), Some(root));
        }
        if otherwise != size {
            let other = Plain::of(otherwise, 0).root(otherwise);
            for size in [size, otherwise] {
                prop_assert_ne!(root_of_path(hash, leaf, size, &path), Some(other));
            }
        }
    }

    #[test]
    fn a_tree_is_consistent_with_what_it_grew_from_and_with_nothing_else(
        (size, old) in (1u64..300).prop_flat_map(|size| (Just(size), 1..=size)), otherwise in 1u64..300,
    ) {
        let tree = Plain::of(size, 0);
        let (old_root, root) = (tree.root(old), tree.root(size));
        let Ok(path) = consistency(&tree, old, size);
        prop_assert!(is_consistent(old, old_root, size, root, &path));
        prop_assert!(!is_consistent(old, Plain::of(old, 1).root(old), size, root, &path));
        prop_assert!(!is_consistent(old, old_root, size, Plain::of(size, 1).root(size), &path));
        prop_assert!(!is_consistent(size + 1, root, size, root, &path));
        prop_assert!(!is_consistent(0, Hash::of_nothing(), size, root, &path));
        for wrong in wrong_paths(&path) {
            prop_assert!(!is_consistent(old, old_root, size, root, &wrong));
        }
        if otherwise != old && otherwise <= size {
            prop_assert!(!is_consistent(otherwise, old_root, size, root, &path));
        }
    }
}
