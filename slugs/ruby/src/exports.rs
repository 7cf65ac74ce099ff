//! Owns what the component exports, and the function that is called once while it is made. Must not know what the called
//! Ruby code does.

use alloc::string::{String, ToString};
use core::cell::Cell;

use crate::bindings::exports::dyno::app::boot;
use crate::bindings::exports::wasi::cli::run;
use crate::bindings::exports::wasi::http::incoming_handler;
use crate::bindings::wasi::cli::exit;
use crate::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};
use crate::interpreter::{self, RubyMethod, SingleThread};
use crate::{control, exchange};

/// Loads the Ruby files of the bridge, which are there only while the component is made. Evaluates to the receiver of all
/// calls.
const LOAD_SHIM: &str = "begin
  require '/dyno/prepare'
rescue Exception => error
  $stderr.puts(error.full_message(highlight: false))
  raise
end
Dyno";
/// The exit code of an instance whose app cannot be loaded.
const NOT_LOADED: u8 = 1;

/// The methods of the Ruby files that the exports call.
#[derive(Clone, Copy)]
struct Methods {
    load: RubyMethod,
    run: RubyMethod,
    handle: RubyMethod,
}

static METHODS: SingleThread<Cell<Option<Methods>>> = SingleThread(Cell::new(None));

struct RubyComponent;

crate::bindings::export!(RubyComponent with_types_in crate::bindings);

/// Called by the snapshot tool: starts the interpreter and loads the Ruby files, whose state becomes part of the component.
#[unsafe(export_name = "wizer-initialize")]
extern "C" fn prepare_component() {
    interpreter::start_interpreter();
    match interpreter::evaluate(LOAD_SHIM) {
        Ok(receiver) => METHODS.0.set(Some(Methods {
            load: RubyMethod::find(receiver, "load"),
            run: RubyMethod::find(receiver, "run"),
            handle: RubyMethod::find(receiver, "handle"),
        })),
        Err(interpreter::RubyError) => core::arch::wasm32::unreachable(),
    }
}

impl boot::Guest for RubyComponent {
    fn load() -> Result<(), String> {
        match call_method(|methods| methods.load) {
            true => control::take_load_error().map_or(Ok(()), Err),
            false => Err("the app could not be loaded".to_string()),
        }
    }
}

impl run::Guest for RubyComponent {
    fn run() -> Result<(), ()> {
        let is_run = call_method(|methods| methods.run);
        match control::exit_code() {
            0 if is_run => Ok(()),
            0 => Err(()),
            code => {
                exit::exit_with_code(code);
                Err(())
            }
        }
    }
}

impl incoming_handler::Guest for RubyComponent {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        exchange::begin(request, response_out);
        let is_answered = call_method(|methods| methods.handle);
        exchange::end();
        if !is_answered || control::take_load_error().is_some() {
            exit::exit_with_code(NOT_LOADED);
        }
    }
}

/// Calls a method of the Ruby files; returns whether it ended without an exception.
fn call_method(choose: impl FnOnce(Methods) -> RubyMethod) -> bool {
    let methods = METHODS.0.get();
    methods.is_some_and(|methods| choose(methods).call().is_ok())
}
