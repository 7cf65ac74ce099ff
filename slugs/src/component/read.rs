//! Owns the walk over a file's top level, collecting the names of imports and exports.
//! Must not know which names matter.
//!
//! Type sections are deliberately never parsed: they nest without bound, and a parser that recurses
//! into a hostile one overflows its stack. Nested modules and components are stepped over.

use std::collections::BTreeSet;

use wasmparser::{Chunk, ComponentExternalKind, Encoding, ExternalKind, Parser, Payload};

use super::InspectError;
use crate::path::shown;

/// Most imports, and most exports, of a component: all interfaces that are hosted are under 60.
pub(super) const NAMES_MAX: usize = 1_000;
/// Longest name that is kept, in bytes: no hosted name comes near.
const NAME_BYTES_MAX: usize = 256;
/// Export by which a wasip1 command starts.
const WASIP1_START: &str = "_start";

/// The top level of a file: its names.
pub(super) struct Names {
    pub(super) encoding: Encoding,
    /// Interfaces; for a core module `module::name`.
    pub(super) imports: BTreeSet<String>,
    /// Of a core module only `_start`.
    pub(super) exports: Vec<String>,
}

pub(super) fn read_names(bytes: &[u8]) -> Result<Names, InspectError> {
    let mut names = Names {
        encoding: Encoding::Module,
        imports: BTreeSet::new(),
        exports: Vec::new(),
    };
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    loop {
        let (payload, consumed) = match parser.parse(rest, true).map_err(broken)? {
            Chunk::Parsed { payload, consumed } => (payload, consumed),
            Chunk::NeedMoreData(_) => return Err(ended(bytes)),
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
                    .ok_or_else(|| ended(bytes))?;
            }
            Payload::CodeSectionStart { size, .. } => {
                parser.skip_section();
                rest = rest.get(size as usize..).ok_or_else(|| ended(bytes))?;
            }
            Payload::End(_) if rest.is_empty() => return Ok(names),
            Payload::End(_) => return Err(ended(bytes)),
            other => names.note(other)?,
        }
    }
}

impl Names {
    fn note(&mut self, payload: Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::Version { encoding, .. } => self.encoding = encoding,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(broken)?;
                    self.import(format!("{}::{}", import.module, import.name))?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if export.name == WASIP1_START && export.kind == ExternalKind::Func {
                        self.export(export.name)?;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.import(import.map_err(broken)?.name.name.to_owned())?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(broken)?;
                    if export.kind != ComponentExternalKind::Type {
                        self.export(export.name.name)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: String) -> Result<(), InspectError> {
        if name.len() > NAME_BYTES_MAX {
            let why = format!(
                "names of more than {NAME_BYTES_MAX} bytes are none of WASI's; build without it"
            );
            return Err(InspectError::NotHosted {
                import: shown(name.as_bytes()),
                why,
            });
        }
        self.imports.insert(name);
        self.check_count()
    }

    fn export(&mut self, name: &str) -> Result<(), InspectError> {
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

fn broken(error: wasmparser::BinaryReaderError) -> InspectError {
    InspectError::Broken {
        offset: error.offset() as u64,
        reason: shown(error.message().as_bytes()),
    }
}

fn ended(bytes: &[u8]) -> InspectError {
    InspectError::Broken {
        offset: bytes.len() as u64,
        reason: "sections do not end where the file does".to_owned(),
    }
}
