//! Types and functions as WIT writes them.

use wit_parser::{Function, FunctionKind, Handle, Resolve, Type, TypeDefKind, TypeId};

/// The name of a type, or what it is made of.
pub(super) fn named(resolve: &Resolve, of: &Type) -> String {
    match of {
        Type::Bool => "bool".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::F32 => "f32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
        Type::Id(id) => by_id(resolve, *id),
    }
}

/// What a type is made of, whether it has a name or not.
pub(super) fn made_of(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let name = |of: &Type| named(resolve, of);
    let maybe = |of: &Option<Type>| of.as_ref().map_or_else(|| "_".to_owned(), name);
    match kind {
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", by_id(resolve, *id)),
        TypeDefKind::Handle(Handle::Own(id)) => by_id(resolve, *id),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(name).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Option(of) => format!("option<{}>", name(of)),
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (ok, None) => format!("result<{}>", maybe(ok)),
            (ok, err) => format!("result<{}, {}>", maybe(ok), maybe(err)),
        },
        TypeDefKind::List(of) => format!("list<{}>", name(of)),
        TypeDefKind::FixedLengthList(of, length) => format!("list<{}, {length}>", name(of)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", name(key), name(value)),
        TypeDefKind::Future(of) => format!("future<{}>", maybe(of)),
        TypeDefKind::Stream(of) => format!("stream<{}>", maybe(of)),
        TypeDefKind::Type(of) => name(of),
        other => other.as_str().to_owned(),
    }
}

/// The function with its parameters and its result; a method without the resource that it is of.
pub(super) fn signature(resolve: &Resolve, function: &Function) -> String {
    let is_method = matches!(
        function.kind,
        FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)
    );
    let parameters: Vec<String> = function
        .params
        .iter()
        .skip(usize::from(is_method))
        .map(|parameter| format!("{}: {}", parameter.name, named(resolve, &parameter.ty)))
        .collect();
    let keyword = match function.kind {
        FunctionKind::Static(_) => "static func",
        FunctionKind::AsyncStatic(_) => "static async func",
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) => "async func",
        FunctionKind::Constructor(_) => return format!("constructor({})", parameters.join(", ")),
        FunctionKind::Freestanding | FunctionKind::Method(_) => "func",
    };
    let result = function
        .result
        .as_ref()
        .map_or_else(String::new, |result| format!(" -> {}", named(resolve, result)));
    format!(
        "{}: {keyword}({}){result}",
        function.item_name(),
        parameters.join(", ")
    )
}

/// The types that a type names, itself among them, in the order of its text.
pub(super) fn mentioned(resolve: &Resolve, of: &Type, found: &mut Vec<TypeId>) {
    let Type::Id(id) = of else { return };
    let Some(definition) = resolve.types.get(*id) else {
        return;
    };
    if definition.name.is_some() {
        let id = origin(resolve, *id);
        if !found.contains(&id) {
            found.push(id);
        }
        return;
    }
    let inner: Vec<Type> = match &definition.kind {
        TypeDefKind::Handle(Handle::Borrow(id) | Handle::Own(id)) => vec![Type::Id(*id)],
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Option(of) | TypeDefKind::List(of) | TypeDefKind::FixedLengthList(of, _) => vec![*of],
        TypeDefKind::Result(result) => [result.ok, result.err].into_iter().flatten().collect(),
        TypeDefKind::Map(key, value) => vec![*key, *value],
        TypeDefKind::Future(of) | TypeDefKind::Stream(of) => of.iter().copied().collect(),
        _ => Vec::new(),
    };
    for of in &inner {
        mentioned(resolve, of, found);
    }
}

/// The type that a `use` stands for.
pub(super) fn origin(resolve: &Resolve, id: TypeId) -> TypeId {
    let definition = resolve.types.get(id);
    match definition.map(|definition| (&definition.kind, definition.owner)) {
        Some((TypeDefKind::Type(Type::Id(next)), owner))
            if resolve.types.get(*next).is_some_and(|next| next.owner != owner) =>
        {
            origin(resolve, *next)
        }
        _ => id,
    }
}

fn by_id(resolve: &Resolve, id: TypeId) -> String {
    match resolve.types.get(id) {
        Some(definition) => match &definition.name {
            Some(name) => name.clone(),
            None => made_of(resolve, &definition.kind),
        },
        None => "?".to_owned(),
    }
}
