//! A byte radix tree: which of many prefixes does a text begin with?

/// Values under prefixes. A look-up visits as many nodes as the text has prefixes that branch, however
/// many prefixes there are.
#[derive(Debug)]
pub(super) struct Prefixes<T> {
    /// The nodes, named by their place here; the first is the root, whose edge is empty. One flat list
    /// rather than boxes in boxes: nothing recurses, and neighbours share cache lines.
    nodes: Vec<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    /// The bytes between the parent and this node.
    edge: Box<[u8]>,
    value: Option<T>,
    /// Sorted by the first byte of the child's edge.
    children: Vec<(u8, usize)>,
}

impl<T> Prefixes<T> {
    pub(super) fn new() -> Prefixes<T> {
        Prefixes {
            nodes: vec![Node {
                edge: Box::default(),
                value: None,
                children: Vec::new(),
            }],
        }
    }

    /// Puts `value` under `prefix`, in place of what was there.
    pub(super) fn insert(&mut self, prefix: &[u8], value: T) {
        let mut rest = prefix;
        let mut at = 0;
        while let Some((&byte, _)) = rest.split_first() {
            let Some(child) = self.child(at, byte) else {
                let leaf = self.push(Node {
                    edge: rest.into(),
                    value: None,
                    children: Vec::new(),
                });
                self.adopt(at, byte, leaf);
                at = leaf;
                break;
            };
            let shared = self.nodes.get(child).map_or(0, |node| common(&node.edge, rest));
            self.split(child, shared);
            rest = rest.get(shared..).unwrap_or_default();
            at = child;
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.value = Some(value);
        }
    }

    /// Calls `visit` with the value of every prefix of `text`, shortest first.
    pub(super) fn visit<'a>(&'a self, text: &[u8], mut visit: impl FnMut(&'a T)) {
        let mut rest = text;
        let mut next = self.nodes.first();
        while let Some(node) = next {
            let Some(after) = rest.strip_prefix(node.edge.as_ref()) else {
                return;
            };
            if let Some(value) = &node.value {
                visit(value);
            }
            rest = after;
            next = rest
                .first()
                .and_then(|byte| node.child(*byte))
                .and_then(|child| self.nodes.get(child));
        }
    }

    fn child(&self, at: usize, byte: u8) -> Option<usize> {
        self.nodes.get(at)?.child(byte)
    }

    fn push(&mut self, node: Node<T>) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn adopt(&mut self, parent: usize, byte: u8, child: usize) {
        if let Some(node) = self.nodes.get_mut(parent) {
            let place = node.children.partition_point(|(first, _)| *first < byte);
            node.children.insert(place, (byte, child));
        }
    }

    /// Makes the edge of `at` end after `length` bytes: what it had beyond moves into a child.
    fn split(&mut self, at: usize, length: usize) {
        let Some(node) = self.nodes.get_mut(at) else {
            return;
        };
        let Some((kept, moved)) = node.edge.split_at_checked(length) else {
            return;
        };
        let Some(&byte) = moved.first() else { return };
        let tail = Node {
            edge: moved.into(),
            value: node.value.take(),
            children: std::mem::take(&mut node.children),
        };
        node.edge = kept.into();
        let tail = self.push(tail);
        self.adopt(at, byte, tail);
    }
}

impl<T> Node<T> {
    fn child(&self, byte: u8) -> Option<usize> {
        let place = self
            .children
            .binary_search_by_key(&byte, |(first, _)| *first)
            .ok()?;
        self.children.get(place).map(|(_, child)| *child)
    }
}

fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count()
}

#[cfg(test)]
mod tests;
