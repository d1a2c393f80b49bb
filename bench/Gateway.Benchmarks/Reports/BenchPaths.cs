namespace Gateway.Benchmarks.Reports;

/// <summary>Where the measured programs are: all built from one tree, in the configuration of this program.</summary>
internal static class BenchPaths
{
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The folder that holds Gateway.sln.</summary>
    public static string Root { get; } = FindRoot();

    public static string Node => Path.Combine(Root, "src", "Gateway.Server", "bin", Configuration, "net10.0", "gateway");

    public static string LoadTool => Path.Combine(Root, "tools", "C10M", "bin", Configuration, "net10.0", "C10M");

    public static string Rungs => Path.Combine(AppContext.BaseDirectory, "Gateway.Benchmarks");

    public static string BuildScript => Path.Combine(Root, "bench", "ladder", "build.sh");

    public static string CRung(string program) => Path.Combine(Root, "bench", "ladder", "bin", program);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Gateway.sln"))) return folder.FullName;
        }

        throw new MeasuringException("measurements run from a source tree: there is no Gateway.sln above " + AppContext.BaseDirectory);
    }
}
