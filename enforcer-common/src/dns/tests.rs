use super::{fold, fold_word};

#[test]
fn folds_letters_and_nothing_else() {
    for byte in 0..=255_u8 {
        let expected = byte.to_ascii_lowercase();
        assert_eq!(fold(u32::from(byte)), u32::from(expected));
        for place in 0..8 {
            let shifted = |byte: u8| u64::from(byte) << (place * 8);
            assert_eq!(fold_word(shifted(byte)), shifted(expected), "{byte} at {place}");
        }
    }
}
