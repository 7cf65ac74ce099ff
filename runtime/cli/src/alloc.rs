//! The allocator of this process: mimalloc, asked in the way that is fastest.
//!
//! The `mimalloc` crate asks for a given alignment each time; for what is longer than 1 KiB and no power of two, that
//! takes a slow path which allocates more and searches. Whatever is aligned to 16 bytes or less needs no asking.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// Every allocation of at least so many bytes is aligned to so many (`MI_MAX_ALIGN_SIZE`), and a smaller one to its
/// size rounded down to a power of two.
const ALIGNED: usize = 16;

pub(crate) struct Mimalloc;

/// Whether it is aligned well enough without asking.
fn is_plain(align: usize, size: usize) -> bool {
    align <= ALIGNED && align <= size
}

#[allow(
    unsafe_code,
    reason = "an allocator is made of these; each passes on its caller's promises"
)]
// SAFETY: mimalloc is a general allocator whose blocks any of its functions may free or grow. It never unwinds.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let block = match is_plain(align, size) {
            // SAFETY: any size will do.
            true => unsafe { mi_malloc(size) },
            // SAFETY: a layout's alignment is a power of two.
            false => unsafe { mi_malloc_aligned(size, align) },
        };
        block.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let block = match is_plain(align, size) {
            // SAFETY: as in `alloc`.
            true => unsafe { mi_zalloc(size) },
            // SAFETY: as in `alloc`.
            false => unsafe { mi_zalloc_aligned(size, align) },
        };
        block.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller promises that it is a block of this allocator.
        unsafe { mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        let grown = match is_plain(align, size) {
            // SAFETY: the caller promises that it is a block of this allocator.
            true => unsafe { mi_realloc(block.cast(), size) },
            // SAFETY: the same, and a layout's alignment is a power of two.
            false => unsafe { mi_realloc_aligned(block.cast(), size, align) },
        };
        grown.cast()
    }
}

#[cfg(test)]
#[allow(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "an allocator is tested by calling it"
)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_whatever_their_size() {
        let sizes = (1..300).chain([511, 1023, 1025, 4097, 8193, 70_001, 3_000_001]);
        for size in sizes {
            for align in [1, 2, 4, 8, 16, 32, 64, 128, 4096] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: each block is used within its size, and freed once.
                unsafe {
                    let block = Mimalloc.alloc_zeroed(layout);
                    assert!(block.addr().is_multiple_of(align), "{layout:?}");
                    assert_eq!(block.add(size - 1).read(), 0);
                    block.write_bytes(7, size);
                    let grown = Mimalloc.realloc(block, layout, size * 2 + 1);
                    assert!(grown.addr().is_multiple_of(align), "{layout:?}");
                    assert_eq!((grown.read(), grown.add(size - 1).read()), (7, 7));
                    let layout = Layout::from_size_align(size * 2 + 1, align).expect("a layout");
                    Mimalloc.dealloc(grown, layout);
                }
            }
        }
    }
}
