//! Owns the walk over a file's top level, collecting the names of imports and exports.
//! Must not know which names matter.
//!
//! Type sections are never parsed: they nest without bound, and a recursive parser would overflow its stack on a hostile
//! one. Nested modules and components are skipped.

use std::collections::BTreeSet;

use wasmparser::{Chunk, ComponentExternalKind, Encoding, ExternalKind, Parser, Payload};

use super::error::{InspectError, NAMES_MAX};
use crate::path::shown;

/// Longest name that is kept, in bytes: no hosted name comes near.
const NAME_BYTES_MAX: usize = 256;
/// Export by which a wasip1 command starts.
const WASIP1_START: &str = "_start";

/// The names at the top level of a file.
pub(super) struct WasmNames {
    pub(super) encoding: Encoding,
    /// Interfaces; for a core module `module::name`.
    pub(super) imports: BTreeSet<String>,
    /// For a core module only `_start`.
    pub(super) exports: Vec<String>,
}

/// Reads the names of all imports and exports at the top level.
pub(super) fn read_names(bytes: &[u8]) -> Result<WasmNames, InspectError> {
    let mut names = WasmNames {
        encoding: Encoding::Module,
        imports: BTreeSet::new(),
        exports: Vec::new(),
    };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let (payload, consumed) = match parser.parse(rest, true).map_err(parse_error)? {
            Chunk::Parsed { payload, consumed } => (payload, consumed),
            Chunk::NeedMoreData(_) => return Err(unexpected_end(bytes)),
        };
        rest = &rest[consumed..];
        match payload {
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => {
                rest = rest
                    .get(unchecked_range.len()..)
                    .ok_or_else(|| unexpected_end(bytes))?;
            }
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                rest = rest
                    .get(size as usize..)
                    .ok_or_else(|| unexpected_end(bytes))?;
            }
            Payload::End(_) if rest.is_empty() => return Ok(names),
            Payload::End(_) => return Err(unexpected_end(bytes)),
            other => names.add_section(other)?,
        }
    }
}

impl WasmNames {
    fn add_section(&mut self, payload: Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::Version { encoding, .. } => self.encoding = encoding,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(parse_error)?;
                    self.add_import(format!("{}::{}", import.module, import.name))?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(parse_error)?;
                    if export.name == WASIP1_START && export.kind == ExternalKind::Func {
                        self.add_export(export.name)?;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.add_import(import.map_err(parse_error)?.name.name.to_owned())?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(parse_error)?;
                    if export.kind != ComponentExternalKind::Type {
                        self.add_export(export.name.name)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_import(&mut self, name: String) -> Result<(), InspectError> {
        if name.len() > NAME_BYTES_MAX {
            let why = format!(
                "no interface of WASI has a name of more than {NAME_BYTES_MAX} bytes; build without this import"
            );
            return Err(InspectError::NotHosted {
                import: shown(name.as_bytes()),
                why,
            });
        }
        self.imports.insert(name);
        self.check_count()
    }

    fn add_export(&mut self, name: &str) -> Result<(), InspectError> {
        if name.len() <= NAME_BYTES_MAX {
            self.exports.push(name.to_owned());
        }
        self.check_count()
    }

    fn check_count(&self) -> Result<(), InspectError> {
        let over = self.imports.len().max(self.exports.len()) > NAMES_MAX;
        if over {
            Err(InspectError::TooManyNames)
        } else {
            Ok(())
        }
    }
}

fn parse_error(error: wasmparser::BinaryReaderError) -> InspectError {
    InspectError::Broken {
        offset: error.offset() as u64,
        reason: shown(error.message().as_bytes()),
    }
}

fn unexpected_end(bytes: &[u8]) -> InspectError {
    InspectError::Broken {
        offset: bytes.len() as u64,
        reason: "the last section does not end at the end of the file".to_owned(),
    }
}
