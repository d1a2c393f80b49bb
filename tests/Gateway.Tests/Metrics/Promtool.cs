using System.Diagnostics;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>
/// promtool of the Debian package prometheus: the one installed, or one taken out of the package, which is fetched by apt and unpacked beside the
/// tests without being installed: no daemon starts.
/// </summary>
internal static class Promtool
{
    private static readonly Lazy<(string? Path, string? Missing)> Found = new(Find);

    /// <summary>Null when it is there.</summary>
    public static string? Missing => Found.Value.Missing;

    /// <summary>Runs it with this input; returns its exit code and everything it said.</summary>
    public static (int ExitCode, string Said) Run(string input, params string[] arguments)
    {
        var path = Found.Value.Path ?? throw new InvalidOperationException(Missing);
        return Run(path, input, null, arguments);
    }

    private static (string? Path, string? Missing) Find()
    {
        var own = Path.Combine(AppContext.BaseDirectory, "promtool");
        var unpacked = Path.Combine(own, "usr", "bin", "promtool");
        foreach (var path in new[] { "promtool", unpacked })
        {
            if (Try(path, "", null, "--version") is { ExitCode: 0 }) return (path, null);
        }

        var fetched = Try(RepositoryRoot.File("tests", "packages", "fetch-promtool.sh"), "", null, own);
        if (fetched is not { ExitCode: 0 }) return (null, $"promtool is not installed, and its package cannot be fetched: {fetched?.Said}".TrimEnd());
        var tried = Try(unpacked, "", null, "--version");
        return tried is { ExitCode: 0 } ? (unpacked, null) : (null, $"promtool of the package prometheus does not run: {tried?.Said}");
    }

    private static (int ExitCode, string Said)? Try(string program, string input, string? folder, params string[] arguments)
    {
        try
        {
            return Run(program, input, folder, arguments);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static (int ExitCode, string Said) Run(string program, string input, string? folder, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder ?? "",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill(entireProcessTree: true);
            return (-1, $"{program} did not end");
        }

        return (process.ExitCode, output.Result + errors.Result);
    }
}

/// <summary>A test that needs promtool; without it it is skipped with the reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PromtoolFactAttribute : FactAttribute
{
    public PromtoolFactAttribute()
    {
        if (Environment.GetEnvironmentVariable("CI") != "true" && Promtool.Missing is { } reason) Skip = reason;
    }
}
