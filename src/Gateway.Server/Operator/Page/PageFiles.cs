using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Gateway.Server.Operator.Page;

/// <summary>One file of the operator's page as it is served.</summary>
/// <param name="Path">Below the operator's port.</param>
/// <param name="ContentType">With its charset.</param>
/// <param name="Bytes">Its content.</param>
/// <param name="EntityTag">Of the content, with quotes (RFC 9110 section 8.8.3).</param>
internal sealed record PageFile(string Path, string ContentType, byte[] Bytes, string EntityTag);

/// <summary>
/// The files of the operator's page, from the assembly's resources: none is made at run time and none holds a figure of the node, so that they may be read
/// without a token. Immutable.
/// </summary>
internal static class PageFiles
{
    /// <summary>Of resources: see Gateway.Server.csproj.</summary>
    private const string Prefix = "page/";
    private const string Index = "index.html";

    private static readonly FrozenDictionary<string, PageFile> Files = Read().ToFrozenDictionary(f => f.Path, StringComparer.Ordinal);

    public static IEnumerable<PageFile> All => Files.Values;

    /// <summary>Whether a request asks for one of them, or for a page of the runbook, which is as public.</summary>
    public static bool Holds(PathString path) => path.Value is { } text && (Files.ContainsKey(text) || text.StartsWith(RunbookSections.Path, StringComparison.Ordinal));

    public static PageFile Of(string path, string contentType, byte[] bytes) =>
        new(path, contentType, bytes, $"\"{Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 16))}\"");

    private static IEnumerable<PageFile> Read()
    {
        var assembly = typeof(PageFiles).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var resource = assembly.GetManifestResourceStream(name)!;
            var bytes = new byte[resource.Length];
            resource.ReadExactly(bytes);
            var file = name[Prefix.Length..];
            yield return Of(file == Index ? "/" : $"/{file}", TypeOf(file), bytes);
        }
    }

    private static string TypeOf(string file) => System.IO.Path.GetExtension(file) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new InvalidOperationException($"The page has a file '{file}', and no media type is known for '{other}'."),
    };
}
