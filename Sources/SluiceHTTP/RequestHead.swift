import SluiceBytes

/// A request's head in parsed form; ranges are offsets from the head's first byte.
///
/// Large: one per worker, used again for each request. Valid only with the bytes it was parsed from.
package struct RequestHead: ~Copyable {
    package internal(set) var method = Method.other
    /// The method's bytes: the name of an `other`.
    package internal(set) var methodName = 0..<0
    /// What is forwarded: path and query; of an absolute form the part after the authority.
    package internal(set) var target = 0..<0
    package internal(set) var path = 0..<0
    /// Without the question mark.
    package internal(set) var query = 0..<0
    /// The authority of an absolute-form target; checked against Host.
    var authority: Range<Int>?
    package internal(set) var version = HTTPVersion.http11
    package internal(set) var framing = BodyFraming.none
    /// Whether another request may follow on the connection.
    package internal(set) var keepAlive = true
    /// The client waits for 100 before it sends the body.
    package internal(set) var expectsContinue = false
    /// The Host field's value; nil only in HTTP/1.0.
    package internal(set) var host: Range<Int>?
    package internal(set) var fields = FieldTable()
    /// Bytes of the head with its empty line.
    package internal(set) var byteCount = 0
    /// Another number for each head that was read; the same for one that was the same again.
    package internal(set) var edition = 0
    /// The bytes all of this was read from.
    var memory = HeadMemory()

    package init() {}

    package var fieldCount: Int { fields.count }
    /// The `index`-th line; `0 <= index < fieldCount`.
    package func field(_ index: Int) -> FieldLine { fields[index] }
    /// Whether there is more than one line of a known field; `mutating` as ``first(_:)``.
    package mutating func repeats(_ field: KnownField) -> Bool { fields.repeated.contains(field) }
    /// The first line of a known field; changes nothing, as a borrow would be passed as a copy.
    @inline(__always) package mutating func first(_ field: KnownField) -> FieldLine? {
        fields.first(field)
    }
}
