using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Finds the types, methods, fields and signatures that the instructions of a method name (ECMA-335, III).</summary>
internal static class InstructionTokens
{
    private const byte TwoBytePrefix = 0xfe;

    private static readonly Dictionary<ushort, OperandType> OperandTypes = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => (ushort)code.Value, code => code.OperandType);

    /// <summary>The named things, in the order of the instructions; strings are left out.</summary>
    public static IReadOnlyList<EntityHandle> Read(BlobReader body)
    {
        var tokens = new List<EntityHandle>();
        while (body.RemainingBytes != 0)
        {
            ushort code = body.ReadByte();
            if (code == TwoBytePrefix) code = (ushort)((TwoBytePrefix << 8) | body.ReadByte());
            switch (OperandTypes[code])
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineSig or OperandType.InlineTok
                    or OperandType.InlineType:
                    tokens.Add((EntityHandle)MetadataTokens.Handle(body.ReadInt32()));
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    body.Offset += sizeof(byte);
                    break;
                case OperandType.InlineVar:
                    body.Offset += sizeof(ushort);
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    body.Offset += sizeof(long);
                    break;
                case OperandType.InlineSwitch:
                    int targets = body.ReadInt32();
                    body.Offset += sizeof(int) * targets;
                    break;
                default:
                    body.Offset += sizeof(int);
                    break;
            }
        }

        return tokens;
    }
}
