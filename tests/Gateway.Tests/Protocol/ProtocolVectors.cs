using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Protocol;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Protocol;

/// <summary>protocol-vectors.json: as the code makes it, and as it lies in the repository for every client's tests.</summary>
internal static class ProtocolVectors
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly Lazy<JsonObject> Stored = new(() => JsonNode.Parse(File.ReadAllText(Path))!.AsObject());

    public static string Path => RepositoryRoot.File("src", "Gateway.Protocol", "protocol-vectors.json");

    /// <summary>The file's content, parsed.</summary>
    public static JsonObject Root => Stored.Value;

    public static IEnumerable<JsonObject> Frames => Root["frames"]!.AsArray().Select(f => f!.AsObject());
    public static IEnumerable<JsonObject> Faults => Root["invalidFrames"]!.AsArray().Select(f => f!.AsObject());

    public static JsonObject Frame(string name) => Frames.Single(f => Name(f) == name);

    public static string Name(JsonObject vector) => vector["name"]!.GetValue<string>();
    public static FrameType Type(JsonObject vector) => Enum.Parse<FrameType>(vector["frame"]!.GetValue<string>());
    public static byte[] Bytes(JsonObject vector) => Convert.FromHexString(vector["hex"]!.GetValue<string>());

    /// <summary>The text that belongs into the file.</summary>
    public static string Generate()
    {
        var frames = VectorFrames.Build();
        var root = new JsonObject
        {
            ["about"] = "Test vectors of Gateway's native protocol; PROTOCOL.md, \"Vectors\", says what each part means.",
            ["protocolVersion"] = Wire.Version,
            ["schema"] = 1,
            ["addresses"] = VectorIdentity.Addresses(),
            ["nodeSecrets"] = VectorIdentity.NodeSecrets(),
            ["deviceKeys"] = VectorIdentity.DeviceKeys(),
            ["keyFiles"] = VectorIdentity.KeyFiles(),
            ["proofs"] = VectorIdentity.Proofs(frames),
            ["frames"] = frames,
            ["invalidFrames"] = VectorFaults.Build(frames),
        };
        return root.ToJsonString(Layout).ReplaceLineEndings("\n") + "\n";
    }
}
