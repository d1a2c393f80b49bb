using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Gateway.Tests.Repository;

namespace Gateway.Tests.Programs;

/// <summary>
/// A program of a Debian package: the one installed, or one taken out of the package, which is fetched by apt and unpacked beside the tests without
/// being installed: no daemon starts. Each package is fetched once a process. Any thread.
/// </summary>
internal static class DebianPackage
{
    private static readonly ConcurrentDictionary<string, Lazy<string?>> Fetched = new();

    /// <summary>The program's path, or why it is not to be had.</summary>
    /// <param name="package">As prometheus.</param>
    /// <param name="program">As promtool; it must answer <c>--version</c> with 0.</param>
    public static (string? Path, string? Missing) Find(string package, string program)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "packages", package);
        var unpacked = Path.Combine(folder, "usr", "bin", program);
        foreach (var path in new[] { program, unpacked })
        {
            if (Try(path, "--version") is { ExitCode: 0 }) return (path, null);
        }

        var failure = Fetched.GetOrAdd(package, p => new Lazy<string?>(() => Fetch(folder, p))).Value;
        if (failure is not null) return (null, $"{program} is not installed, and its package {package} cannot be fetched: {failure}".TrimEnd());
        var tried = Try(unpacked, "--version");
        return tried is { ExitCode: 0 } ? (unpacked, null) : (null, $"{program} of the package {package} does not run: {tried?.Said}");
    }

    /// <summary>Runs a program with this input to its end; returns its exit code and everything it said.</summary>
    /// <exception cref="Win32Exception">There is no such program.</exception>
    public static (int ExitCode, string Said) Run(string program, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
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

    private static string? Fetch(string folder, string package)
    {
        var fetched = Try(RepositoryRoot.File("tests", "packages", "fetch.sh"), folder, package);
        return fetched is { ExitCode: 0 } ? null : fetched?.Said ?? "there is no bash";
    }

    private static (int ExitCode, string Said)? Try(string program, params string[] arguments)
    {
        try
        {
            return Run(program, "", arguments);
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
