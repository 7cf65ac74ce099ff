//! Owns the calls into Ruby's interpreter, by the interface that its module exports (ruby.wasm's `rb-abi-guest`).
//! Must not know what the called Ruby code does.

use alloc::vec::Vec;

#[link(wasm_import_module = "ruby")]
unsafe extern "C" {
    #[link_name = "_initialize"]
    fn initialize();
    #[link_name = "ruby-init: func(args: list<string>) -> ()"]
    fn ruby_init(args: *mut RubyArg, count: usize);
    #[link_name = "ruby-init-loadpath: func() -> ()"]
    fn ruby_init_loadpath();
    #[link_name = "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"]
    fn eval_string(code: *const u8, bytes: usize) -> *const CallResult;
    #[link_name = "rb-funcallv-protect: func(recv: handle<rb-abi-value>, mid: u32, args: list<handle<rb-abi-value>>) -> tuple<handle<rb-abi-value>, s32>"]
    fn funcallv(receiver: u32, method: u32, args: *const u32, count: usize) -> *const CallResult;
    #[link_name = "rb-intern: func(name: string) -> u32"]
    fn intern(name: *const u8, bytes: usize) -> u32;
    #[link_name = "rb-clear-errinfo: func() -> ()"]
    fn clear_error();
    #[link_name = "canonical_abi_drop_rb-abi-value"]
    fn drop_value(value: u32);
}

/// A C string, and its length without the final zero byte.
#[repr(C)]
struct RubyArg {
    data: *const u8,
    bytes: usize,
}

/// The result of a call: a handle to a value, and zero, or another number if an exception ended the call.
#[repr(C)]
#[derive(Clone, Copy)]
struct CallResult {
    value: u32,
    state: i32,
}

/// A Ruby exception, or an exit, that left the called code.
pub(crate) struct RubyError;

/// A Ruby method that takes no arguments, with its receiver. Found while the component is made, and kept in the snapshot.
#[derive(Clone, Copy)]
pub(crate) struct RubyMethod {
    receiver: u32,
    method: u32,
}

/// A value in a module with one thread.
pub(crate) struct SingleThread<T>(pub(crate) T);

// SAFETY: a module of preview 1 has one thread.
unsafe impl<T> Sync for SingleThread<T> {}

/// Starts the interpreter. Called once, while the component is made.
pub(crate) fn start_interpreter() {
    const ARGS: [&str; 4] = ["ruby", "-EUTF-8:UTF-8", "-W1", "-e_=0"];
    let args: Vec<RubyArg> = ARGS.into_iter().map(keep_c_string).collect();
    // SAFETY: the functions are called once, in the order that ruby.wasm requires; the arguments are never freed.
    unsafe {
        initialize();
        ruby_init(args.leak().as_mut_ptr(), ARGS.len());
        ruby_init_loadpath();
    }
}

/// Runs Ruby code and returns a handle to its value.
pub(crate) fn evaluate(code: &str) -> Result<u32, RubyError> {
    let code = keep_c_string(code);
    // SAFETY: the code ends with a zero byte; the result is copied at once.
    finish_call(unsafe { *eval_string(code.data, code.bytes) })
}

/// Copies text into a C string, which is never freed: the interpreter may keep it.
fn keep_c_string(text: &str) -> RubyArg {
    let mut copy = Vec::with_capacity(text.len() + 1);
    copy.extend_from_slice(text.as_bytes());
    copy.push(0);
    RubyArg {
        data: copy.leak().as_ptr(),
        bytes: text.len(),
    }
}

impl RubyMethod {
    /// The method of this name of a value.
    pub(crate) fn find(receiver: u32, name: &str) -> RubyMethod {
        let name = keep_c_string(name);
        // SAFETY: the name ends with a zero byte.
        let method = unsafe { intern(name.data, name.bytes) };
        RubyMethod { receiver, method }
    }

    /// Calls the method; its value is dropped.
    pub(crate) fn call(self) -> Result<(), RubyError> {
        // SAFETY: both handles live as long as the interpreter; there are no arguments.
        let result = unsafe { *funcallv(self.receiver, self.method, core::ptr::null(), 0) };
        let value = finish_call(result)?;
        // SAFETY: the handle is not used again.
        unsafe { drop_value(value) };
        Ok(())
    }
}

fn finish_call(result: CallResult) -> Result<u32, RubyError> {
    if result.state == 0 {
        return Ok(result.value);
    }
    // SAFETY: no exception is being handled any more.
    unsafe {
        drop_value(result.value);
        clear_error();
    }
    Err(RubyError)
}

/// The three functions by which ruby.wasm's interface makes handles of values: a handle is the value.
#[unsafe(export_name = "canonical_abi::resource_new_rb-abi-value")]
extern "C" fn new_handle(value: u32) -> u32 {
    value
}

#[unsafe(export_name = "canonical_abi::resource_get_rb-abi-value")]
extern "C" fn value_of_handle(handle: u32) -> u32 {
    handle
}

#[unsafe(export_name = "canonical_abi::resource_drop_js-abi-value")]
extern "C" fn drop_script_value(_: u32) {}
