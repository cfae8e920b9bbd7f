//! Components that take long to compile, and components that differ in a word.

use anyhow::{Result, ensure};
use wasm_encoder::{
    BlockType, CodeSection, Encode as _, Function, FunctionSection, Module, TypeSection, ValType,
};

/// The word that is there once in the component of `bench`.
const GENERATION: &[u8] = b"generation-a";
/// Section of a component that holds a core module.
const CORE_MODULE: u8 = 1;
/// Turns of the arithmetic in one function: some 2 KiB.
const TURNS: i32 = 100;

/// The component of another generation of `bench`, told by a number: its marks are `generation-` and a letter from b on.
///
/// # Errors
///
/// It is not the component of `bench`.
pub(super) fn generation(component: &[u8], number: u32) -> Result<(Vec<u8>, String)> {
    let places: Vec<usize> = component
        .windows(GENERATION.len())
        .enumerate()
        .filter_map(|(place, window)| (window == GENERATION).then_some(place))
        .collect();
    ensure!(
        places.len() == 1,
        "the component of bench has its generation {} times",
        places.len()
    );
    let letter = char::from(b'b' + u8::try_from(number % 25)?);
    let name = format!("generation-{letter}");
    let mut other = component.to_vec();
    for place in places {
        other
            .iter_mut()
            .skip(place)
            .zip(name.bytes())
            .for_each(|(old, new)| *old = new);
    }
    Ok((other, name))
}

/// A component with a module of about so many bytes of code more, which nobody instantiates but which is compiled.
pub(super) fn padded(component: &[u8], bytes: usize) -> Vec<u8> {
    let module = arithmetic(bytes).finish();
    let mut padded = component.to_vec();
    padded.push(CORE_MODULE);
    module.as_slice().encode(&mut padded);
    padded
}

/// A module of functions, none of them like another.
fn arithmetic(bytes: usize) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I64], [ValType::I64]);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut number = 0;
    while code.byte_len() < bytes {
        functions.function(0);
        code.function(&mixing(number));
        number += 1;
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// Mixes its argument in as many ways as a compiler cannot shorten, with a branch in each turn.
fn mixing(seed: i64) -> Function {
    let mut function = Function::new([(1, ValType::I64)]);
    for turn in 0..TURNS {
        let odd = seed.wrapping_mul(0x9E37_79B9).wrapping_add(i64::from(turn)) | 1;
        function
            .instructions()
            .local_get(0)
            .i64_const(odd)
            .i64_mul()
            .local_tee(1)
            .i64_const(i64::from(turn % 63) + 1)
            .i64_rotl()
            .local_get(1)
            .i64_xor()
            .local_set(0)
            .local_get(0)
            .i64_const(1)
            .i64_and()
            .i64_eqz()
            .if_(BlockType::Empty)
            .local_get(1)
            .local_set(0)
            .end();
    }
    function.instructions().local_get(0).end();
    function
}

#[cfg(test)]
mod tests {
    use cairn_tests::component;
    use cairn_wasm::{Engine, EngineOptions, Filter, Spec};

    use super::{generation, padded};

    #[tokio::test]
    async fn another_generation_of_bench_with_padding_is_a_filter() {
        let Some(bench) = component("bench") else {
            return;
        };
        let bench = std::fs::read(bench).expect("a component");
        let (other, _) = generation(&bench, 0).expect("bench has a generation");
        let engine = Engine::new(&EngineOptions::default()).expect("an engine");
        let loaded = Filter::load(&engine, &padded(&other, 10_000), Spec::new("default/bench")).await;
        assert!(loaded.is_ok(), "{loaded:?}");
    }

    #[test]
    fn a_generation_is_another_word_of_the_same_length() {
        let (other, name) = generation(b"abc generation-a def", 2).expect("the word is there");
        assert_eq!(other, b"abc generation-d def");
        assert_eq!(name, "generation-d");
        assert!(generation(b"nothing", 0).is_err());
        assert!(generation(b"generation-a generation-a", 0).is_err());
    }

    #[test]
    fn padding_is_as_large_as_told() {
        let padded = padded(b"component", 100_000);
        assert!((100_000..110_000).contains(&padded.len()), "{}", padded.len());
    }
}
