//! Small components with given imports and exports.

use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentInstanceSection, ComponentTypeRef, ComponentTypeSection, EntityType, ExportKind,
    ExportSection, FunctionSection, ImportSection, InstanceType, Module, TypeSection,
};

/// A component that imports and exports empty interfaces with the given names.
pub(crate) fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut section = ComponentImportSection::new();
    for name in imports {
        section.import(*name, ComponentTypeRef::Instance(0));
    }
    component.section(&section);
    let mut instances = ComponentInstanceSection::new();
    let nothing: [(&str, ComponentExportKind, u32); 0] = [];
    instances.export_items(nothing);
    component.section(&instances);
    let mut section = ComponentExportSection::new();
    for name in exports {
        section.export(
            *name,
            ComponentExportKind::Instance,
            imports.len() as u32,
            None,
        );
    }
    component.section(&section);
    component.finish()
}

pub(crate) fn handler_02() -> Vec<u8> {
    component(
        &["wasi:io/streams@0.2.6", "wasi:http/types@0.2.6"],
        &["wasi:http/incoming-handler@0.2.6"],
    )
}

pub(crate) fn handler_03() -> Vec<u8> {
    component(&["wasi:http/types@0.3.0"], &["wasi:http/handler@0.3.0"])
}

pub(crate) fn command_02() -> Vec<u8> {
    component(&["wasi:cli/stdout@0.2.3"], &["wasi:cli/run@0.2.3"])
}

/// A core module with the given imported and exported functions.
pub(crate) fn module(imports: &[(&str, &str)], exports: &[&str]) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    module.section(&types);
    let mut section = ImportSection::new();
    for (from, name) in imports {
        section.import(from, name, EntityType::Function(0));
    }
    module.section(&section);
    let mut functions = FunctionSection::new();
    functions.function(0);
    module.section(&functions);
    let mut section = ExportSection::new();
    for name in exports {
        section.export(name, ExportKind::Func, imports.len() as u32);
    }
    module.section(&section);
    let mut code = wasm_encoder::CodeSection::new();
    let mut body = wasm_encoder::Function::new([]);
    body.instruction(&wasm_encoder::Instruction::End);
    code.function(&body);
    module.section(&code);
    module.finish()
}

pub(crate) fn wasip1() -> Vec<u8> {
    module(&[("wasi_snapshot_preview1", "fd_write")], &["_start"])
}
