//! Nodes as a serde data format. Puts the innermost place to every error, and reads stand-ins for what is known to be bad.

use std::cell::Cell;
use std::collections::HashSet;
use std::ptr::from_ref;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, Spot, What};
use crate::model::text;
use crate::policy::{Entry, Meaning, Node, NodeValue, Reference, Table};

/// How deep stand-ins go, for types that contain themselves.
const DEEPEST: u8 = 8;

/// What decoding goes around. Nodes are told apart by where they are in memory; they do not move while a reader borrows them.
#[derive(Debug, Default)]
pub(super) struct Patches<'a> {
    /// Values whose key is left out.
    dropped: HashSet<*const Node>,
    /// Values that are replaced by a stand-in.
    replaced: HashSet<*const Node>,
    /// Keys that are missing in a table, for which there is a stand-in.
    missing: Vec<(&'a Node, &'static str)>,
    /// The keys that the type of the root has, once it has been asked for a struct.
    keys: Cell<&'static [&'static str]>,
}

impl<'a> Patches<'a> {
    /// The keys that the type of the root has; empty where it is no struct.
    pub(super) fn keys_of_root(&self) -> &'static [&'static str] {
        self.keys.get()
    }

    /// Goes around a fault from now on. `false` where that is not possible.
    pub(super) fn put_aside(&mut self, fault: &Fault<'a>, root: &'a Node) -> bool {
        match (&fault.what, fault.spot) {
            (_, Some(Spot::Key(entry))) => self.dropped.insert(&raw const entry.node),
            (What::Missing(key), Some(Spot::Value(table))) if !fault.quiet => {
                let new = !self.missing.iter().any(|(known, name)| std::ptr::eq(*known, table) && name == key);
                self.missing.push((table, key));
                new
            }
            (_, Some(Spot::Value(node))) => !std::ptr::eq(node, root) && self.replaced.insert(node),
            (_, None) => false,
        }
    }

    /// Whether anything in `node` is gone around.
    pub(super) fn touch(&self, node: &Node) -> bool {
        let marked = self.dropped.contains(&from_ref(node)) || self.replaced.contains(&from_ref(node));
        let inside = match &node.value {
            NodeValue::List(items) => items.iter().any(|item| self.touch(item)),
            NodeValue::Table(table) => table.values().any(|entry| self.touch(&entry.node)),
            _ => false,
        };
        inside || marked || self.missing.iter().any(|(table, _)| std::ptr::eq(*table, node))
    }
}

/// Reads one node, or stands in for one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a, 'p> {
    source: Source<'a>,
    root: bool,
    patches: &'p Patches<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Node(&'a Node),
    /// Nothing, at this depth below where it began.
    StandIn(u8),
}

impl<'a, 'p> Reader<'a, 'p> {
    /// Reads `node`, going around what is in `patches`.
    pub(super) fn new(node: &'a Node, patches: &'p Patches<'a>) -> Self {
        Self { source: Source::Node(node), root: true, patches }
    }

    fn inner(node: &'a Node, patches: &'p Patches<'a>) -> Self {
        let source = if patches.replaced.contains(&from_ref(node)) { Source::StandIn(0) } else { Source::Node(node) };
        Self { source, root: false, patches }
    }

    fn stand_in(depth: u8, patches: &'p Patches<'a>) -> Self {
        Self { source: Source::StandIn(depth), root: false, patches }
    }

    /// Says of an error that it is here, unless it is further inside.
    fn locate<T>(self, result: Result<T, Fault<'a>>) -> Result<T, Fault<'a>> {
        result.map_err(|mut fault| {
            match self.source {
                Source::Node(node) if fault.spot.is_none() => fault.spot = Some(Spot::Value(node)),
                Source::Node(_) => {}
                Source::StandIn(_) => fault.quiet = true,
            }
            fault
        })
    }

    /// Also what a type finds wrong once it has read everything is here.
    fn read<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Fault<'a>> {
        self.locate(seed.deserialize(self))
    }

    fn any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        let Source::Node(node) = self.source else { return self.locate(visitor.visit_unit()) };
        let patches = self.patches;
        self.locate(match &node.value {
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Int(number) => visitor.visit_i64(*number),
            NodeValue::Float(number) => visitor.visit_f64(*number),
            NodeValue::Text(text) => visitor.visit_borrowed_str(text),
            NodeValue::Reference(reference) => mean(reference).and_then(|text| visitor.visit_str(text)),
            NodeValue::List(items) => visitor.visit_seq(Items { items: items.iter(), patches }),
            NodeValue::Table(table) => visitor.visit_map(Fields::new(node, table, patches)),
        })
    }

    /// Like [`Self::any`], but a stand-in is made by `make`.
    fn or<V: Visitor<'a>>(
        self,
        visitor: V,
        make: impl FnOnce(V) -> Result<V::Value, Fault<'a>>,
    ) -> Result<V::Value, Fault<'a>> {
        match self.source {
            Source::Node(_) => self.any(visitor),
            Source::StandIn(_) => self.locate(make(visitor)),
        }
    }

    fn map<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault<'a>> {
        match self.source {
            Source::Node(node) => match &node.value {
                NodeValue::Reference(reference) => {
                    self.locate(visitor.visit_map(Fields::new(node, &reference.table, self.patches)))
                }
                _ => self.any(visitor),
            },
            Source::StandIn(depth) => {
                let fields = if depth < DEEPEST { fields } else { &[] };
                let fields = fields.iter().map(|name| (*name, depth + 1)).collect();
                self.locate(visitor.visit_map(Fields::stand_ins(fields, self.patches)))
            }
        }
    }
}

/// The text that a reference stands for.
fn mean(reference: &Reference) -> Result<&str, Fault<'_>> {
    match &reference.meaning {
        Meaning::Known(secret) => Ok(secret.expose()),
        Meaning::Unknown => Ok(""),
        Meaning::Missing(problem) => Err(Fault::new(What::Reference(problem.clone()))),
    }
}

macro_rules! stand_in {
    ($($method:ident => |$visitor:ident| $make:expr;)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
            self.or(visitor, |$visitor| $make)
        }
    )*};
}

impl<'a> de::Deserializer<'a> for Reader<'a, '_> {
    type Error = Fault<'a>;

    forward_to_deserialize_any! { <V: Visitor<'a>> char bytes byte_buf unit unit_struct }

    stand_in! {
        deserialize_any => |visitor| visitor.visit_unit();
        deserialize_bool => |visitor| visitor.visit_bool(false);
        deserialize_i8 => |visitor| visitor.visit_i64(0);
        deserialize_i16 => |visitor| visitor.visit_i64(0);
        deserialize_i32 => |visitor| visitor.visit_i64(0);
        deserialize_i64 => |visitor| visitor.visit_i64(0);
        deserialize_i128 => |visitor| visitor.visit_i64(0);
        deserialize_u8 => |visitor| visitor.visit_u64(0);
        deserialize_u16 => |visitor| visitor.visit_u64(0);
        deserialize_u32 => |visitor| visitor.visit_u64(0);
        deserialize_u64 => |visitor| visitor.visit_u64(0);
        deserialize_u128 => |visitor| visitor.visit_u64(0);
        deserialize_str => |visitor| visitor.visit_str("");
        deserialize_string => |visitor| visitor.visit_str("");
        deserialize_identifier => |visitor| visitor.visit_str("");
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        self.or(visitor, |visitor| visitor.visit_seq(Items { items: [].iter(), patches: self.patches }))
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        match self.source {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a whole number stands for the decimal one it is written as"
            )]
            Source::Node(Node { value: NodeValue::Int(number), .. }) => self.locate(visitor.visit_f64(*number as f64)),
            _ => self.or(visitor, |visitor| visitor.visit_f64(0.0)),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        match self.source {
            Source::Node(_) => visitor.visit_some(self),
            Source::StandIn(_) => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault<'a>> {
        self.locate(visitor.visit_newtype_struct(self))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Fault<'a>> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault<'a>> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        self.map(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'a>> {
        if self.root {
            self.patches.keys.set(fields);
        }
        self.map(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'a>> {
        let patches = self.patches;
        let stand_in = |depth| {
            let inner = (depth < DEEPEST).then(|| Self::stand_in(depth + 1, patches));
            Tagged { name: variants.first().copied().unwrap_or_default(), key: None, inner }
        };
        let node = match self.source {
            Source::Node(node) => node,
            Source::StandIn(depth) => return self.locate(visitor.visit_enum(stand_in(depth))),
        };
        let table = match &node.value {
            NodeValue::Text(name) => {
                return self.locate(visitor.visit_enum(Tagged { name, key: None, inner: None }));
            }
            // A word may come from outside; a table that happens to look like a reference is one of the variants.
            NodeValue::Reference(reference) if !reference.table.keys().any(|key| variants.contains(&key.as_str())) => {
                let word = mean(reference).and_then(|name| visitor.visit_enum(Tagged { name, key: None, inner: None }));
                return self.locate(word);
            }
            NodeValue::Reference(reference) => &reference.table,
            NodeValue::Table(table) => table,
            _ => return self.locate(Err(Fault::new(What::Type(format!("one of {}", text::either(variants)))))),
        };
        let mut entries = table.iter();
        match (entries.next(), entries.next()) {
            (Some((_, entry)), None) if patches.dropped.contains(&(&raw const entry.node)) => {
                self.locate(visitor.visit_enum(stand_in(0)))
            }
            (Some((name, entry)), None) => {
                let inner = Some(Self::inner(&entry.node, patches));
                self.locate(visitor.visit_enum(Tagged { name, key: Some(entry), inner }))
            }
            _ => self.locate(Err(Fault::new(What::Value(format!("exactly one of {}", text::either(variants)))))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        visitor.visit_unit()
    }
}

struct Items<'a, 'p> {
    items: std::slice::Iter<'a, Node>,
    patches: &'p Patches<'a>,
}

impl<'a> de::SeqAccess<'a> for Items<'a, '_> {
    type Error = Fault<'a>;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault<'a>> {
        let next = self.items.find(|item| !self.patches.replaced.contains(&from_ref(*item)));
        next.map(|item| Reader::inner(item, self.patches).read(seed)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The keys of a table, then the stand-ins for those that it lacks.
struct Fields<'a, 'p> {
    node: Option<&'a Node>,
    entries: Option<indexmap::map::Iter<'a, String, Entry>>,
    stand_ins: std::vec::IntoIter<(&'static str, u8)>,
    value: Option<Reader<'a, 'p>>,
    patches: &'p Patches<'a>,
}

impl<'a, 'p> Fields<'a, 'p> {
    fn new(node: &'a Node, table: &'a Table, patches: &'p Patches<'a>) -> Self {
        let lacking = patches.missing.iter().filter(|(table, _)| std::ptr::eq(*table, node));
        let stand_ins: Vec<_> = lacking.map(|(_, name)| (*name, 0)).collect();
        Self { node: Some(node), entries: Some(table.iter()), stand_ins: stand_ins.into_iter(), value: None, patches }
    }

    fn stand_ins(names: Vec<(&'static str, u8)>, patches: &'p Patches<'a>) -> Self {
        Self { node: None, entries: None, stand_ins: names.into_iter(), value: None, patches }
    }
}

impl<'a> de::MapAccess<'a> for Fields<'a, '_> {
    type Error = Fault<'a>;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault<'a>> {
        let dropped = &self.patches.dropped;
        let next = self.entries.as_mut().and_then(|all| all.find(|(_, e)| !dropped.contains(&(&raw const e.node))));
        if let Some((name, entry)) = next {
            self.value = Some(Reader::inner(&entry.node, self.patches));
            let name: StrDeserializer<'_, Fault<'a>> = name.as_str().into_deserializer();
            return seed.deserialize(name).map(Some).map_err(|fault| {
                let spot = fault.spot.or(Some(Spot::Key(entry)));
                Fault { spot, parent: fault.parent.or(self.node), ..fault }
            });
        }
        let Some((name, depth)) = self.stand_ins.next() else { return Ok(None) };
        self.value = Some(Reader::stand_in(depth, self.patches));
        let name: StrDeserializer<'_, Fault<'a>> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault<'a>> {
        let Some(reader) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        reader.read(seed)
    }
}

/// A variant by its name, with what belongs to it.
struct Tagged<'a, 'n, 'p> {
    name: &'n str,
    /// The key that names it, where it is written as a table.
    key: Option<&'a Entry>,
    inner: Option<Reader<'a, 'p>>,
}

impl<'a, 'p> de::EnumAccess<'a> for Tagged<'a, '_, 'p> {
    type Error = Fault<'a>;
    type Variant = Content<'a, 'p>;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Content<'a, 'p>), Fault<'a>> {
        let name: StrDeserializer<'_, Fault<'a>> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|fault| {
            let spot = fault.spot.or(self.key.map(Spot::Key));
            Fault { spot, ..fault }
        })?;
        Ok((variant, Content(self.inner)))
    }
}

/// What belongs to a variant.
struct Content<'a, 'p>(Option<Reader<'a, 'p>>);

impl<'a, 'p> Content<'a, 'p> {
    fn reader(self) -> Result<Reader<'a, 'p>, Fault<'a>> {
        self.0.ok_or_else(|| Fault::new(What::Type("a table".into())))
    }
}

impl<'a> de::VariantAccess<'a> for Content<'a, '_> {
    type Error = Fault<'a>;

    fn unit_variant(self) -> Result<(), Fault<'a>> {
        match self.0 {
            Some(Reader { source: Source::Node(_), .. }) => Err(Fault::new(What::Type("a text".into()))),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Fault<'a>> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Fault<'a>> {
        de::Deserializer::deserialize_seq(self.reader()?, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault<'a>> {
        de::Deserializer::deserialize_struct(self.reader()?, "", fields, visitor)
    }
}

/// A node as the variant of an externally tagged enum that is named elsewhere.
pub(super) struct Variant<'a, 'k, 'p> {
    kind: &'k str,
    reader: Reader<'a, 'p>,
}

impl<'a, 'k, 'p> Variant<'a, 'k, 'p> {
    pub(super) fn new(kind: &'k str, reader: Reader<'a, 'p>) -> Self {
        Self { kind, reader }
    }
}

impl<'a> de::Deserializer<'a> for Variant<'a, '_, '_> {
    type Error = Fault<'a>;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault<'a>> {
        let tagged = Tagged { name: self.kind, key: None, inner: Some(self.reader) };
        self.reader.locate(visitor.visit_enum(tagged))
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>> bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
