import Foundation
import SluiceBytes
import SluiceVLLM
import Testing

@Suite struct ModelListTests {
    static func parse(_ bytes: [UInt8]) throws -> ModelList { try ModelList(bytes.span) }

    static func parse(_ text: String) throws -> ModelList { try parse(Array(text.utf8)) }

    static func error(_ text: String) -> ModelListError? {
        do {
            _ = try parse(text)
            return nil
        } catch { return error as? ModelListError }
    }

    static func written(_ models: [Model]) -> [UInt8] {
        var buffer = ByteBuffer()
        ModelList.write(models, into: &buffer)
        return buffer.array()
    }

    @Test func `a real answer is read whole`() throws {
        let list = try Self.parse(try VLLMFixture.body("models.http"))
        let tiny = Model(
            id: "tiny", root: "/models/tiny-llama", maxModelLength: 2_048, created: 1_795_227_579,
            ownedBy: "vllm")
        #expect(list.models == [tiny])
        #expect(list.skipped == 0)
    }

    @Test func `adapters keep their parent through reading and writing`() throws {
        let models = [
            Model(id: "base", root: "/m", maxModelLength: 8, created: 1, ownedBy: "vllm"),
            Model(id: "sql", parent: "base", root: "/lora/sql", created: 2, ownedBy: "vllm"),
        ]
        let again = try Self.parse(Self.written(models))
        #expect(again.models == models)
    }

    @Test func `the answer we write has vLLM's members`() throws {
        let real = try JSONSerialization.jsonObject(with: Data(try VLLMFixture.body("models.http")))
        let ours = try JSONSerialization.jsonObject(with: Data(Self.written([Model(id: "a")])))
        func keys(_ answer: Any) throws -> Set<String> {
            let data = try #require((answer as? [String: Any])?["data"] as? [[String: Any]])
            return Set(try #require(data.first).keys)
        }
        #expect(try keys(ours) == keys(real))
        #expect(
            String(decoding: Self.written([]), as: UTF8.self) == #"{"object":"list","data":[]}"#)
    }

    @Test func `hostile names are escaped and come back as they were`() throws {
        let name = "a\"\\\u{0}\u{1}\u{F}\u{10}\u{1F}\n\r\t\u{7F}é😀</script>"
        let models = [Model(id: name, parent: name, root: name, created: 0, ownedBy: name)]
        let bytes = Self.written(models)
        #expect(bytes.allSatisfy { $0 >= 0x20 })
        #expect(try Self.parse(bytes).models == models)
    }

    @Test func `entries without a usable name are counted, not kept`() throws {
        let long = String(repeating: "n", count: 257)
        let list = try Self.parse(
            #"{"data":[{},{"id":""},{"id":7},{"id":"\#(long)"},{"id":"l","parent":"\#(long)"},{"id":"ok","root":"\#(long)"}]}"#
        )
        #expect(list.models == [Model(id: "ok")])
        #expect(list.skipped == 5)
    }

    @Test func `members of other types and places are passed over`() throws {
        let list = try Self.parse(
            #"""
            {"x":{"data":[{"id":"no"}]},"data":[7,"s",[{"id":"no"}],null,
            {"id":"a","parent":null,"max_model_len":"9","created":1.5,"root":{"id":"no"},
            "permission":[{"id":"no","parent":"no"}]},
            {"id":"b","max_model_len":-1,"created":99999999999999999999}],"y":[{"id":"no"}]}
            """#)
        #expect(list.models == [Model(id: "a"), Model(id: "b")])
    }

    @Test func `what is no list says why`() {
        #expect(Self.error("") == .notJSON)
        #expect(Self.error("Not Found") == .notJSON)
        #expect(Self.error(#"{"data":[{"id":"a"}"#) == .notJSON)
        #expect(Self.error(#"{"data":[]} x"#) == .notJSON)
        #expect(Self.error(String(repeating: "[", count: 100_000)) == .notJSON)
        #expect(Self.error(#"{"detail":"Not Found"}"#) == .notAList)
        #expect(Self.error(#"{"data":{"a":{"id":"b"}}}"#) == .notAList)
        #expect(Self.error(#"[{"id":"b"}]"#) == .notAList)
        #expect(Self.error("7") == .notAList)
        #expect(Self.error(#"{"data":[]}"#) == nil)
    }

    @Test func `size and number of entries are bounded`() throws {
        let head = #"{"data":[]}"#
        let padding = ModelList.bytesMax - head.utf8.count
        #expect(Self.error(head + String(repeating: " ", count: padding)) == nil)
        #expect(Self.error(head + String(repeating: " ", count: padding + 1)) == .tooLarge)
        for (count, skipped) in [(1_024, 0), (1_025, 1)] {
            let entries = (0..<count).map { #"{"id":"m\#($0)"}"# }.joined(separator: ",")
            let list = try Self.parse(#"{"data":[\#(entries)]}"#)
            #expect(list.models.count == 1_024)
            #expect(list.skipped == skipped)
        }
    }

    @Test func `a union names each model once with the smallest length`() {
        let union = ModelList.union([
            [Model(id: "a", root: "/1", maxModelLength: 10), Model(id: "b")],
            [Model(id: "c", parent: "a"), Model(id: "a", root: "/2", maxModelLength: 5)],
            [Model(id: "a"), Model(id: "b", maxModelLength: 3)],
        ])
        #expect(
            union == [
                Model(id: "a", root: "/1", maxModelLength: 5), Model(id: "b", maxModelLength: 3),
                Model(id: "c", parent: "a"),
            ])
    }
}
