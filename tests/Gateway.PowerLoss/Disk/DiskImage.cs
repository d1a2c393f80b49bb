namespace Gateway.PowerLoss.Disk;

/// <summary>The files of a data folder as a machine finds them when it has power again. Never changed.</summary>
internal sealed class DiskImage(IReadOnlyDictionary<string, byte[]> files)
{
    public static DiskImage Empty { get; } = new(new Dictionary<string, byte[]>());

    public IReadOnlyDictionary<string, byte[]> Files { get; } = files;

    /// <summary>By inode: numbers are given in the order of names.</summary>
    public IEnumerable<(string Name, byte[] Bytes)> InOrder() => Files.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => (f.Key, f.Value));

    /// <summary>With these bytes of one file replaced.</summary>
    public DiskImage With(string name, byte[] bytes) => new(new Dictionary<string, byte[]>(Files) { [name] = bytes });

    /// <summary>As a real data folder, for <c>gatewayctl log</c> and people.</summary>
    public void WriteTo(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var (name, bytes) in Files) File.WriteAllBytes(Path.Combine(folder, name), bytes);
    }
}
