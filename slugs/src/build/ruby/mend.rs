//! Owns the one change that linking makes in the interpreter's code: it frees memory that Ruby 3.4 loses.
//!
//! When an exception or a `throw` leaves the last frame of a C call, the interpreter takes the call's tag off its list
//! (`ec->tag = ec->tag->prev` in `vm_exec`), without freeing the tag's jump buffer of 12 KiB, which ports to WebAssembly have
//! on the heap. Ruby 4.0 frees it. A Sinatra app throws in each request: a dyno of 128 MiB would last some hundred requests.
//! Must not know what is linked.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{CodeSection, Instruction, MemArg};
use wasmparser::{FunctionBody, Operator};

use super::link::ModuleLinkError;

/// Where `struct rb_vm_tag` has the pointer to its jump buffer, in bytes.
const BUFFER_AT: u64 = 8;
/// Where `struct rb_vm_tag` has the tag before it, and the execution context its last tag, in bytes.
const TAG_AT: u64 = 12;

/// Where a function body takes a tag off the list.
pub(super) struct TagRemoval {
    /// The number of the instruction that stores the new last tag.
    instruction: usize,
    /// The local variable that holds the removed tag.
    tag: u32,
}

impl TagRemoval {
    /// Finds the instructions of `ec->tag = ec->tag->prev` in a function body.
    pub(super) fn find(body: &FunctionBody<'_>) -> Result<Option<TagRemoval>, ModuleLinkError> {
        let mut last: [Option<Operator<'_>>; 7] = Default::default();
        for (instruction, operator) in body.get_operators_reader()?.into_iter().enumerate() {
            last.rotate_left(1);
            last[6] = Some(operator?);
            if let Some(tag) = removed_tag(&last) {
                return Ok(Some(TagRemoval { instruction, tag }));
            }
        }
        Ok(None)
    }

    /// Writes the function with a call of `free` behind the removal.
    pub(super) fn write_function<R>(
        &self,
        body: FunctionBody<'_>,
        renumbering: &mut R,
        free: u32,
        code: &mut CodeSection,
    ) -> Result<(), ModuleLinkError>
    where
        R: Reencode<Error = std::convert::Infallible>,
    {
        let mut function = renumbering.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        let mut instruction = 0;
        while !reader.eof() {
            function.instruction(&renumbering.parse_instruction(&mut reader)?);
            if instruction == self.instruction {
                function.instruction(&Instruction::LocalGet(self.tag));
                function.instruction(&Instruction::I32Load(MemArg {
                    offset: BUFFER_AT,
                    align: 2,
                    memory_index: 0,
                }));
                function.instruction(&Instruction::Call(free));
            }
            instruction += 1;
        }
        code.function(&function);
        Ok(())
    }
}

/// The local variable with the removed tag, if the instructions are those of a removal: `context`, `context`, load the tag,
/// keep it, load the tag before it, keep that too, store it in `context`.
fn removed_tag(operators: &[Option<Operator<'_>>; 7]) -> Option<u32> {
    let is_tag = |memory: &wasmparser::MemArg| memory.offset == TAG_AT;
    match operators {
        [
            Some(Operator::LocalGet { local_index: left }),
            Some(Operator::LocalGet { local_index: right }),
            Some(Operator::I32Load { memarg: tag }),
            Some(Operator::LocalTee { local_index }),
            Some(Operator::I32Load { memarg: previous }),
            Some(Operator::LocalTee { .. }),
            Some(Operator::I32Store { memarg: stored }),
        ] if left == right && is_tag(tag) && is_tag(previous) && is_tag(stored) => {
            Some(*local_index)
        }
        _ => None,
    }
}
