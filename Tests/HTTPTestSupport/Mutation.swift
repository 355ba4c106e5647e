import SluiceBytes

/// What HTTP messages are made and broken with.
package let httpPieces: [[UInt8]] = [
    "\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "\"", "\\", "0", "9", "f", "\u{7F}",
    "\u{FF}", "#", "/", "\r\n ",
    "\r\n\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n",
    "Connection: host\r\n",
    " : ", "HTTP/1.1", "chunked", "18446744073709551616", ";a=b",
].map(octets)

/// One to three small wounds.
package func mutate(
    _ seed: [UInt8], with pieces: [[UInt8]] = httpPieces, _ random: inout SplitMix64
) -> [UInt8] {
    var bytes = seed
    for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1 where place < bytes.count:
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2 where place < bytes.count:
            let end = min(bytes.count, place + Int.random(in: 1...6, using: &random))
            bytes.removeSubrange(place..<end)
        case 3:
            let end = min(bytes.count, place + Int.random(in: 1...40, using: &random))
            bytes.insert(
                contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 4: bytes.removeSubrange(place...)
        default:
            bytes.insert(
                contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)], at: place)
        }
    }
    return bytes
}

/// Up to three cuts in order.
package func someCuts(_ count: Int, _ random: inout SplitMix64) -> [Int] {
    guard count > 1 else { return [] }
    return (0..<Int.random(in: 1...3, using: &random))
        .map { _ in Int.random(in: 1..<count, using: &random) }.sorted()
}
