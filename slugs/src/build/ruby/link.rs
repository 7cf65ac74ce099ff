//! Owns the linking of the bridge (`slugs/ruby`) into the module of Ruby's interpreter: two core modules become one, with one
//! memory, one table, one stack and one heap. Must not know where the modules come from.
//!
//! Functions meet by name. The bridge imports the interpreter's exports from the module `ruby`; an export of the bridge named
//! `MODULE::FUNCTION` takes the place of that import of the interpreter. Imports of the interpreter's own host interface
//! (`rb-js-abi-host`), which is made for browsers, trap when they are called. All other imports stay.

use std::collections::HashMap;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    CodeSection, CustomSection, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction, MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection,
};
use wasmparser::{
    BinaryReaderError, DataSectionReader, ElementKind, ElementSectionReader, ExternalKind,
    FunctionBody, Operator, Parser, Payload, TypeRef, TypeSectionReader,
};

use super::mend::TagRemoval;

/// The module from which the bridge imports functions of the interpreter.
const INTERPRETER: &str = "ruby";
/// The interpreter's host interface for browsers.
const BROWSER_HOST: &str = "rb-js-abi-host";
/// Between module and function in the name of a bridge's export that takes the place of an import.
const SEPARATOR: &str = "::";
/// The bridge's function that frees a jump buffer of the interpreter.
const FREE_BUFFER: &str = "interpreter::free_jump_buffer";
/// Bytes of a page of memory.
const PAGE_BYTES: u64 = 65_536;

/// Why two modules cannot be linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleLinkError {
    #[error("a module cannot be read")]
    Read(#[from] BinaryReaderError),
    #[error("a module cannot be written: {0}")]
    Write(String),
    #[error("{0}")]
    Unfit(String),
}

impl From<reencode::Error> for ModuleLinkError {
    fn from(error: reencode::Error) -> Self {
        ModuleLinkError::Write(error.to_string())
    }
}

/// Links the bridge into the interpreter. The result exports what the bridge exports, and the memory.
pub(crate) fn link_bridge(interpreter: &[u8], bridge: &[u8]) -> Result<Vec<u8>, ModuleLinkError> {
    let interpreter = ModuleParts::read(interpreter)?;
    let bridge = ModuleParts::read(bridge)?;
    let (memory_pages, table_elements) = check_places(&interpreter, &bridge)?;
    let plan = FunctionPlan::make(&interpreter, &bridge)?;
    let mut linked = Module::new();

    let mut old = Renumbering::of_interpreter(&plan);
    let mut new = Renumbering::of_bridge(&plan, &interpreter);
    let mut types = TypeSection::new();
    old.parse_type_section(&mut types, interpreter.type_section()?)?;
    new.parse_type_section(&mut types, bridge.type_section()?)?;
    linked.section(&types);
    linked.section(&plan.imports);

    let mut functions = FunctionSection::new();
    for kind in &interpreter.functions {
        functions.function(*kind);
    }
    for kind in &bridge.functions {
        functions.function(interpreter.type_count + kind);
    }
    for kind in &plan.trap_types {
        functions.function(*kind);
    }
    linked.section(&functions);
    linked.section(&table_of(table_elements));
    linked.section(&memory_of(memory_pages));
    linked.section(&globals_of(&interpreter)?);
    linked.section(&exports_of(&bridge, &plan));

    let mut elements = ElementSection::new();
    for (module, renumbering) in [(&interpreter, &mut old), (&bridge, &mut new)] {
        if let Some(section) = &module.elements {
            renumbering.parse_element_section(&mut elements, section.clone())?;
        }
    }
    linked.section(&elements);
    linked.section(&DataCountSection {
        count: interpreter.data_count() + bridge.data_count(),
    });
    let mut code = CodeSection::new();
    write_interpreter_code(&interpreter, &mut old, plan.free_buffer, &mut code)?;
    for body in &bridge.bodies {
        new.parse_function_body(&mut code, body.clone())?;
    }
    for _ in &plan.trap_types {
        let mut trap = Function::new([]);
        trap.instruction(&Instruction::Unreachable);
        trap.instruction(&Instruction::End);
        code.function(&trap);
    }
    linked.section(&code);
    let mut data = DataSection::new();
    for (module, renumbering) in [(&interpreter, &mut old), (&bridge, &mut new)] {
        if let Some(section) = &module.data {
            renumbering.parse_data_section(&mut data, section.clone())?;
        }
    }
    linked.section(&data);
    for (name, content) in &bridge.world {
        linked.section(&CustomSection {
            name: (*name).into(),
            data: (*content).into(),
        });
    }
    Ok(linked.finish())
}

/// Writes the interpreter's functions, one of them mended. Fails if there is another number of places to mend: then this is
/// another interpreter.
fn write_interpreter_code(
    interpreter: &ModuleParts<'_>,
    renumbering: &mut Renumbering,
    free_buffer: u32,
    code: &mut CodeSection,
) -> Result<(), ModuleLinkError> {
    let mut mended = 0;
    for body in &interpreter.bodies {
        match TagRemoval::find(body)? {
            Some(removal) => {
                mended += 1;
                removal.write_function(body.clone(), renumbering, free_buffer, code)?;
            }
            None => renumbering.parse_function_body(code, body.clone())?,
        }
    }
    match mended {
        1 => Ok(()),
        _ => Err(ModuleLinkError::Unfit(format!(
            "the interpreter has {mended} places that lose a jump buffer, and 1 is known"
        ))),
    }
}

/// An import of a function.
struct FunctionImport<'a> {
    module: &'a str,
    name: &'a str,
    kind: u32,
}

/// The parts of a module that linking reads.
#[derive(Default)]
struct ModuleParts<'a> {
    types: Option<TypeSectionReader<'a>>,
    type_count: u32,
    imports: Vec<FunctionImport<'a>>,
    /// The types of the functions that the module defines.
    functions: Vec<u32>,
    /// The least number of elements of the module's only table, its own or an imported one.
    table_elements: u64,
    /// The least number of pages of the module's only memory, its own or an imported one.
    memory_pages: u64,
    globals: Vec<wasmparser::Global<'a>>,
    exports: Vec<wasmparser::Export<'a>>,
    elements: Option<ElementSectionReader<'a>>,
    bodies: Vec<FunctionBody<'a>>,
    data: Option<DataSectionReader<'a>>,
    /// The custom sections that describe a world.
    world: Vec<(&'a str, &'a [u8])>,
}

impl<'a> ModuleParts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ModuleLinkError> {
        let mut parts = ModuleParts::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section.clone() {
                        parts.type_count += group?.types().len() as u32;
                    }
                    parts.types = Some(section);
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        parts.read_import(import?)?;
                    }
                }
                Payload::FunctionSection(section) => {
                    parts.functions = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::TableSection(section) => {
                    for table in section {
                        parts.table_elements = table?.ty.initial;
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        parts.memory_pages = memory?.initial;
                    }
                }
                Payload::GlobalSection(section) => {
                    parts.globals = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::ExportSection(section) => {
                    parts.exports = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::ElementSection(section) => parts.elements = Some(section),
                Payload::CodeSectionEntry(body) => parts.bodies.push(body),
                Payload::DataSection(section) => parts.data = Some(section),
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    parts.world.push((section.name(), section.data()));
                }
                // The bridge's start function only fills its zeroed data, which no memory needs that is new.
                _ => {}
            }
        }
        Ok(parts)
    }

    fn read_import(&mut self, import: wasmparser::Import<'a>) -> Result<(), ModuleLinkError> {
        match import.ty {
            TypeRef::Func(kind) => self.imports.push(FunctionImport {
                module: import.module,
                name: import.name,
                kind,
            }),
            TypeRef::Memory(memory) => self.memory_pages = memory.initial,
            TypeRef::Table(table) => self.table_elements = table.initial,
            _ => {
                return Err(ModuleLinkError::Unfit(format!(
                    "the import `{}` of `{}` is neither a function, nor a memory, nor a table",
                    import.name, import.module
                )));
            }
        }
        Ok(())
    }

    fn type_section(&self) -> Result<TypeSectionReader<'a>, ModuleLinkError> {
        let section = self.types.clone();
        section.ok_or_else(|| ModuleLinkError::Unfit("a module has no types".to_owned()))
    }

    fn data_count(&self) -> u32 {
        self.data.as_ref().map_or(0, |section| section.count())
    }

    /// The index of an exported function.
    fn find_export(&self, name: &str) -> Option<u32> {
        let mut functions = self
            .exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Func);
        let export = functions.find(|export| export.name == name);
        export.map(|export| export.index)
    }
}

/// Checks that the bridge's data lies behind the interpreter's memory, and its functions behind those of the interpreter's
/// table. Returns the pages and elements that both need.
fn check_places(
    interpreter: &ModuleParts<'_>,
    bridge: &ModuleParts<'_>,
) -> Result<(u64, u64), ModuleLinkError> {
    let overlap = |part: &str| {
        ModuleLinkError::Unfit(format!("the bridge's {part} overlap the interpreter's"))
    };
    for segment in bridge.data.clone().into_iter().flatten() {
        let base = match segment?.kind {
            wasmparser::DataKind::Active { offset_expr, .. } => constant_of(&offset_expr),
            wasmparser::DataKind::Passive => None,
        };
        if base.is_none_or(|base| base < interpreter.memory_pages * PAGE_BYTES) {
            return Err(overlap("data"));
        }
    }
    for segment in bridge.elements.clone().into_iter().flatten() {
        let base = match segment?.kind {
            ElementKind::Active { offset_expr, .. } => constant_of(&offset_expr),
            ElementKind::Passive | ElementKind::Declared => None,
        };
        if base.is_none_or(|base| base < interpreter.table_elements) {
            return Err(overlap("functions"));
        }
    }
    if bridge.globals.len() != 1 || interpreter.globals.is_empty() {
        return Err(ModuleLinkError::Unfit(
            "the bridge has globals besides the pointer of its stack".to_owned(),
        ));
    }
    Ok((
        interpreter.memory_pages.max(bridge.memory_pages),
        interpreter.table_elements.max(bridge.table_elements),
    ))
}

/// The value of a constant expression that is one number.
fn constant_of(expression: &wasmparser::ConstExpr<'_>) -> Option<u64> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        _ => None,
    }
}

/// Where each function of both modules is in the linked module.
struct FunctionPlan {
    imports: ImportSection,
    /// The types of the functions that trap.
    trap_types: Vec<u32>,
    /// The interpreter's functions: imports, then its own from `interpreter_base` on.
    interpreter_imports: Vec<u32>,
    interpreter_base: u32,
    /// The bridge's functions: imports, then its own from `bridge_base` on.
    bridge_imports: Vec<u32>,
    bridge_base: u32,
    /// The types of the interpreter: those of the bridge follow.
    interpreter_types: u32,
    /// The bridge's function that frees a jump buffer.
    free_buffer: u32,
}

/// What takes the place of an import of the interpreter.
enum LinkedImport {
    Host(u32),
    /// A function of the bridge, by its index there.
    Bridge(u32),
    /// The n-th function that traps.
    Trap(u32),
}

impl FunctionPlan {
    fn make(
        interpreter: &ModuleParts<'_>,
        bridge: &ModuleParts<'_>,
    ) -> Result<Self, ModuleLinkError> {
        let mut imports = HostImports::default();
        let mut trap_types = Vec::new();
        let mut places = Vec::new();
        for import in &interpreter.imports {
            let replacement = [import.module, SEPARATOR, import.name].concat();
            places.push(match bridge.find_export(&replacement) {
                Some(index) => LinkedImport::Bridge(index),
                None if import.module == BROWSER_HOST => {
                    trap_types.push(import.kind);
                    LinkedImport::Trap(trap_types.len() as u32 - 1)
                }
                None => LinkedImport::Host(imports.add(import.module, import.name, import.kind)),
            });
        }
        let mut bridge_imports = Vec::new();
        for import in &bridge.imports {
            bridge_imports.push(match import.module == INTERPRETER {
                true => Err(interpreter.find_export(import.name).ok_or_else(|| {
                    ModuleLinkError::Unfit(format!(
                        "the interpreter has no function `{}`",
                        import.name
                    ))
                })?),
                false => {
                    let kind = interpreter.type_count + import.kind;
                    Ok(imports.add(import.module, import.name, kind))
                }
            });
        }
        let interpreter_base = imports.count;
        let bridge_base = interpreter_base + interpreter.functions.len() as u32;
        let trap_base = bridge_base + bridge.functions.len() as u32;
        let own_of_bridge = |index: u32| bridge_base + index - bridge.imports.len() as u32;
        let interpreter_imports: Vec<u32> = places
            .iter()
            .map(|place| match place {
                LinkedImport::Host(index) => *index,
                LinkedImport::Bridge(index) => own_of_bridge(*index),
                LinkedImport::Trap(index) => trap_base + index,
            })
            .collect();
        let imported = interpreter.imports.len() as u32;
        let bridge_imports = bridge_imports
            .into_iter()
            .map(|import| match import {
                Ok(host) => host,
                Err(exported) => interpreter_base + exported - imported,
            })
            .collect();
        let free_buffer = bridge.find_export(FREE_BUFFER).ok_or_else(|| {
            ModuleLinkError::Unfit(format!("the bridge has no function `{FREE_BUFFER}`"))
        })?;
        Ok(Self {
            free_buffer: own_of_bridge(free_buffer),
            imports: imports.section,
            trap_types,
            interpreter_imports,
            interpreter_base,
            bridge_imports,
            bridge_base,
            interpreter_types: interpreter.type_count,
        })
    }

    fn place_of_bridge(&self, index: u32) -> u32 {
        match self.bridge_imports.get(index as usize) {
            Some(place) => *place,
            None => self.bridge_base + index - self.bridge_imports.len() as u32,
        }
    }
}

/// The imports of the linked module, each once.
#[derive(Default)]
struct HostImports {
    section: ImportSection,
    places: HashMap<(String, String), u32>,
    count: u32,
}

impl HostImports {
    fn add(&mut self, module: &str, name: &str, kind: u32) -> u32 {
        let key = (module.to_owned(), name.to_owned());
        *self.places.entry(key).or_insert_with(|| {
            let function = wasm_encoder::EntityType::Function(kind);
            self.section.import(module, name, function);
            self.count += 1;
            self.count - 1
        })
    }
}

/// Gives the functions, types and segments of one module their places in the linked module. Memory, table and the pointer
/// of the stack are number 0 in both.
struct Renumbering {
    imports: Vec<u32>,
    base: u32,
    type_base: u32,
    data_base: u32,
}

impl Renumbering {
    fn of_interpreter(plan: &FunctionPlan) -> Self {
        Self {
            imports: plan.interpreter_imports.clone(),
            base: plan.interpreter_base,
            type_base: 0,
            data_base: 0,
        }
    }

    fn of_bridge(plan: &FunctionPlan, interpreter: &ModuleParts<'_>) -> Self {
        Self {
            imports: plan.bridge_imports.clone(),
            base: plan.bridge_base,
            type_base: plan.interpreter_types,
            data_base: interpreter.data_count(),
        }
    }
}

impl Reencode for Renumbering {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        Ok(match self.imports.get(function as usize) {
            Some(place) => *place,
            None => self.base + function - self.imports.len() as u32,
        })
    }

    fn type_index(&mut self, kind: u32) -> Result<u32, reencode::Error> {
        Ok(self.type_base + kind)
    }

    fn data_index(&mut self, segment: u32) -> Result<u32, reencode::Error> {
        Ok(self.data_base + segment)
    }
}

fn table_of(elements: u64) -> TableSection {
    let mut section = TableSection::new();
    section.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: elements,
        maximum: Some(elements),
        shared: false,
    });
    section
}

fn memory_of(pages: u64) -> MemorySection {
    let mut section = MemorySection::new();
    section.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    section
}

/// The interpreter's globals: the bridge uses the same stack.
fn globals_of(interpreter: &ModuleParts<'_>) -> Result<GlobalSection, ModuleLinkError> {
    let mut section = GlobalSection::new();
    for global in &interpreter.globals {
        let value = constant_of(&global.init_expr)
            .and_then(|value| u32::try_from(value).ok())
            .ok_or_else(|| {
                ModuleLinkError::Unfit("a global is not a constant number".to_owned())
            })?;
        section.global(
            GlobalType {
                val_type: wasm_encoder::ValType::I32,
                mutable: global.ty.mutable,
                shared: false,
            },
            &wasm_encoder::ConstExpr::i32_const(value.cast_signed()),
        );
    }
    Ok(section)
}

fn exports_of(bridge: &ModuleParts<'_>, plan: &FunctionPlan) -> ExportSection {
    let mut section = ExportSection::new();
    section.export("memory", ExportKind::Memory, 0);
    for export in &bridge.exports {
        if export.kind == ExternalKind::Func && !export.name.contains(SEPARATOR) {
            let place = plan.place_of_bridge(export.index);
            section.export(export.name, ExportKind::Func, place);
        }
    }
    section
}

#[cfg(test)]
mod tests;
