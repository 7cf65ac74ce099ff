//! Random components for the compiler: each is compiled or refused, and the host keeps working.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use dyno::compile::{CompileError, Compiler};
use dyno::engine::{Engines, Flavor, InstanceAllocation};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use wasm_smith::{Component, Config, Module};

/// A small number, because each case starts a process.
const CASES: u32 = 48;

struct World {
    runtime: Runtime,
    engines: Arc<Engines>,
    folder: tempfile::TempDir,
    compiler: Compiler,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let child = env!("CARGO_BIN_EXE_dyno-compile-child");
    let cache = folder.path().join("cache");
    World {
        runtime: Runtime::new().expect("a runtime"),
        engines: Engines::new(InstanceAllocation::OnDemand).expect("engines"),
        compiler: Compiler::new(&cache, vec![child.into()]).expect("a cache"),
        folder,
    }
});

/// Compiles `bytes` for one of the engines, twice: what was refused once is refused again, and what was
/// compiled is loaded from the cache.
fn judge(bytes: &[u8], flavor: Flavor) -> Result<(), TestCaseError> {
    let world = &*WORLD;
    let file = tempfile::NamedTempFile::new_in(world.folder.path()).expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let compile = || load(world, flavor, file.path());
    match compile() {
        Ok(()) => prop_assert!(compile().is_ok()),
        Err(CompileError::Refused { message }) => {
            prop_assert!(
                !message.is_empty() && message.len() <= 4 * 1024,
                "{message}"
            );
            let refused_again = matches!(compile(), Err(CompileError::Refused { .. }));
            prop_assert!(refused_again);
        }
        Err(CompileError::Exhausted) => {}
        Err(other) => prop_assert!(false, "{other:?}"),
    }
    let unfinished = std::fs::read_dir(world.folder.path().join("cache")).expect("the cache");
    let unfinished = unfinished.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with('.')
    });
    prop_assert_eq!(unfinished.count(), 0, "nothing half done is left");
    Ok(())
}

fn load(world: &World, flavor: Flavor, file: &Path) -> Result<(), CompileError> {
    let (compiler, engines) = (&world.compiler, &world.engines);
    world.runtime.block_on(async {
        let found = compiler.find_cached(engines, flavor, file).await?;
        let code = compiler
            .load_code(engines, flavor, file, &found.cached)
            .await;
        code.map(drop)
    })
}

fn flavor(p3: bool) -> Flavor {
    if p3 { Flavor::P3 } else { Flavor::P2 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn random_components_are_compiled_or_refused(
        seed in prop::collection::vec(any::<u8>(), 0..4_000),
        p3: bool,
    ) {
        let mut input = Unstructured::new(&seed);
        let config = Config::arbitrary(&mut input).unwrap_or_default();
        if let Ok(component) = Component::new(config, &mut input) {
            judge(&component.to_bytes(), flavor(p3))?;
        }
    }

    /// A component around a random module, so that there is code to compile.
    #[test]
    fn random_code_is_compiled_or_refused(
        seed in prop::collection::vec(any::<u8>(), 500..4_000),
        p3: bool,
    ) {
        let mut input = Unstructured::new(&seed);
        let config = Config::arbitrary(&mut input).unwrap_or_default();
        if let Ok(module) = Module::new(config, &mut input) {
            let mut component = b"\0asm\x0d\0\x01\0".to_vec();
            let module = module.to_bytes();
            // A section with one core module. The length of a section is a LEB128 number.
            component.push(1);
            leb128(&mut component, module.len());
            component.extend(module);
            judge(&component, flavor(p3))?;
        }
    }
}

fn leb128(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
