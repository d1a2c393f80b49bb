using System.Collections;
using System.Runtime.InteropServices;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Page;

/// <summary>
/// Debian's Chromium: the one installed, or its headless shell, unpacked beside the tests with those of its libraries that are not installed. Playwright's own
/// browsers come from elsewhere and are not asked for. Any thread.
/// </summary>
internal static class DebianChromium
{
    private const string Package = "chromium-headless-shell";

    private static readonly Lazy<(string? Path, string? Missing)> Found = new(Find);

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "packages", Package);

    /// <summary>Why there is none; null when there is.</summary>
    public static string? WhyMissing => Found.Value.Missing;

    public static string Program => Found.Value.Path ?? throw new InvalidOperationException(WhyMissing);

    /// <summary>The browser's environment: an unpacked one has its libraries and fonts beside it. Null: this process' own.</summary>
    public static IReadOnlyDictionary<string, string>? Variables
    {
        get
        {
            if (!Program.StartsWith(Folder, StringComparison.Ordinal)) return null;
            var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(v => (string)v.Key, v => (string)v.Value!);
            variables["LD_LIBRARY_PATH"] = Libraries;
            variables["XDG_DATA_HOME"] = Path.Combine(Folder, "usr", "share");
            var fonts = Path.Combine(Folder, "etc", "fonts");
            if (Directory.Exists(fonts)) variables["FONTCONFIG_PATH"] = fonts;
            return variables;
        }
    }

    private static string Libraries
    {
        get
        {
            var machine = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
            return string.Join(':', ((string[])["", "/pulseaudio"]).SelectMany(sub => (string[])[Path.Combine(Folder, "usr", "lib", machine + sub), Path.Combine(Folder, "lib", machine + sub)]));
        }
    }

    private static (string? Path, string? Missing) Find()
    {
        foreach (var name in (string[])["chromium", Package])
        {
            var installed = $"/usr/bin/{name}";
            if (File.Exists(installed)) return (installed, null);
        }

        var unpacked = Path.Combine(Folder, "usr", "lib", "chromium", Package);
        if (!File.Exists(unpacked))
        {
            var (exit, said) = DebianPackage.Run(RepositoryRoot.File("tests", "packages", "fetch.sh"), "", "--dependencies", Folder, Package, "fonts-dejavu-core");
            if (exit != 0) return (null, $"chromium is not installed, and {Package} cannot be fetched: {said}".TrimEnd());
        }

        return (unpacked, null);
    }
}

/// <summary>A test in a real browser; without one it is skipped with the reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true" && DebianChromium.WhyMissing is { } reason) Skip = reason;
    }
}
