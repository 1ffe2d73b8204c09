//! The amount of free memory, for a test that none leaks.

use alloc::vec::Vec;

const WHOLE_HEAP: usize = 4 * 1024 * 1024;

/// Size of the heap's largest free block, to within sixteen bytes.
pub(super) fn largest() -> usize {
    let (mut fits, mut too_large) = (0, WHOLE_HEAP);
    while too_large.saturating_sub(fits) > 16 {
        let middle = usize::midpoint(fits, too_large);
        match Vec::<u8>::new().try_reserve_exact(middle) {
            Ok(()) => fits = middle,
            Err(_) => too_large = middle,
        }
    }
    fits
}
