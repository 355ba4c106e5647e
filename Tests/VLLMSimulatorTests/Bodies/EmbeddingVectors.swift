import Foundation
import Testing

/// The vectors of an embeddings body, decoded as a client decodes them.
struct EmbeddingVectors {
    var vectors: [[Float]] = []

    init(_ body: String, isBase64: Bool) throws {
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8))
        let members = try #require(object as? [String: Any])
        let data = try #require(members["data"] as? [[String: Any]])
        for entry in data {
            guard isBase64 else {
                let numbers = try #require(entry["embedding"] as? [Double])
                vectors.append(numbers.map(Float.init))
                continue
            }
            let text = try #require(entry["embedding"] as? String)
            let bytes = Array(try #require(Data(base64Encoded: text)))
            vectors.append(
                stride(from: 0, to: bytes.count, by: 4).map { start in
                    let bits = (0..<4).reduce(UInt32(0)) {
                        $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1)
                    }
                    return Float(bitPattern: bits)
                })
        }
    }
}
