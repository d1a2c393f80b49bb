using System.Diagnostics;
using System.Globalization;
using Gateway.Tests.Repository;
using Xunit;

namespace Gateway.Tests.Ladder;

/// <summary>A rung of the ladder as a process on a port of its own. Ends with its test.</summary>
internal sealed class RungProcess : IDisposable
{
    private readonly Process _process;

    private RungProcess(string program, params string[] arguments)
    {
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var line = _process.StandardOutput.ReadLine();
        if (line is null || !line.StartsWith("listening ", StringComparison.Ordinal))
        {
            Dispose();
            throw new InvalidOperationException($"{program} said '{line}' instead of its port.");
        }

        Port = int.Parse(line.AsSpan("listening ".Length), CultureInfo.InvariantCulture);
    }

    public int Port { get; }

    public static RungProcess C(string program, string secretPath) => new(Path.Combine(CRungs.Folder, program), "--port", "0", "--secret", secretPath);

    public static RungProcess DotNet(string name, string secretPath) => new(Benchmarks, "rung", name, "--port", "0", "--secret", secretPath);

    /// <summary>The program that holds the .NET rungs and the ladder, as built with the tests.</summary>
    public static string Benchmarks => RepositoryRoot.File(
        "bench", "Gateway.Benchmarks", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "Gateway.Benchmarks");

    /// <summary>SIGTERM, and the exit code that follows.</summary>
    public int Stop()
    {
        using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)])) kill.WaitForExit();
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(60)), "the rung did not end");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

/// <summary>The C rungs, built once for all tests by the ladder's own script.</summary>
internal static class CRungs
{
    private static readonly Lazy<string> Built = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("gateway-rungs-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var (exitCode, errors) = Build(folder, compiler: null);
        return exitCode == 0 ? folder : throw new InvalidOperationException($"build.sh ended with {exitCode}: {errors}");
    });

    public static string Folder => Built.Value;

    public static (int ExitCode, string Errors) Build(string folder, string? compiler)
    {
        var start = new ProcessStartInfo("bash", [RepositoryRoot.File("bench", "ladder", "build.sh"), folder]) { RedirectStandardError = true };
        if (compiler is not null) start.Environment["CC"] = compiler;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }
}

/// <summary>A test that needs a C compiler: without one it is skipped with that reason, under CI it fails.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class GccFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> Missing = new(() =>
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("gcc", ["--version"]) { RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0 ? null : "gcc does not run";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "gcc is not installed";
        }
    });

    public GccFactAttribute()
    {
        if (Missing.Value is not null && Environment.GetEnvironmentVariable("CI") != "true") Skip = Missing.Value;
    }
}
