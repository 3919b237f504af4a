namespace Smmu.Fast.Tests.Harness;

/// <summary>A folder of its own for a test; gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("smmu-test-").FullName;

    public string Write(string name, byte[] content)
    {
        string path = Path.Combine(Root, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    public string Write(string name, string content) => Write(name, System.Text.Encoding.Latin1.GetBytes(content));

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
