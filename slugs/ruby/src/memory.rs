//! Owns the bridge's heap, which is the interpreter's: `malloc` and `free` of the C library in Ruby's module.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

#[link(wasm_import_module = "ruby")]
unsafe extern "C" {
    /// The interpreter's `realloc`. It traps if memory is exhausted.
    #[link_name = "cabi_realloc"]
    fn ruby_realloc(old: *mut u8, old_bytes: usize, align: usize, bytes: usize) -> *mut u8;
    /// The interpreter's `free`, as it is exported: it frees a returned string, given by pointer and length.
    #[link_name = "cabi_post_rstring-ptr"]
    fn ruby_free_string(string: *const RubyString);
}

#[repr(C)]
struct RubyString {
    data: *mut u8,
    bytes: usize,
}

/// The alignment of all that the C library's `malloc` returns, in bytes.
const MALLOC_ALIGN: usize = 16;

struct InterpreterHeap;

#[global_allocator]
static HEAP: InterpreterHeap = InterpreterHeap;

// SAFETY: the C library's allocator returns memory of the wanted size, aligned to `MALLOC_ALIGN`. There is one thread.
unsafe impl GlobalAlloc for InterpreterHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > MALLOC_ALIGN {
            return null_mut();
        }
        // SAFETY: no old block is passed.
        unsafe { ruby_realloc(null_mut(), 0, layout.align(), layout.size()) }
    }

    unsafe fn dealloc(&self, data: *mut u8, layout: Layout) {
        let string = RubyString {
            data,
            bytes: layout.size().max(1),
        };
        // SAFETY: the block came from the same allocator, and the caller gives it up.
        unsafe { ruby_free_string(&raw const string) }
    }

    unsafe fn realloc(&self, data: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the block came from the same allocator; the caller uses the new block alone.
        unsafe { ruby_realloc(data, layout.size(), layout.align(), bytes) }
    }
}

/// Frees a jump buffer that the interpreter would lose. Linking puts the call into the interpreter's code.
///
/// # Safety
/// The buffer came from the interpreter's `malloc`, and nothing refers to it any more.
#[unsafe(export_name = "interpreter::free_jump_buffer")]
unsafe extern "C" fn free_jump_buffer(data: *mut u8) {
    let string = RubyString { data, bytes: 1 };
    // SAFETY: the caller gives the buffer up.
    unsafe { ruby_free_string(&raw const string) }
}

/// Compares two ranges of memory, as C's `memcmp` does. The compiler calls this function for comparisons of slices.
///
/// # Safety
/// Both ranges are readable.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    for at in 0..bytes {
        // SAFETY: `at` is within both ranges.
        let (left, right) = unsafe { (*left.add(at), *right.add(at)) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}
